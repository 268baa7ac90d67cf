// What all readers of bytes share.

export class Unreadable extends Error {} // its message is the reason, in the words of the command line

export function latin(bytes, from, length) {
  let text = "";
  for (const one of bytes.subarray(from, from + length)) text += String.fromCharCode(one);
  return text;
}
