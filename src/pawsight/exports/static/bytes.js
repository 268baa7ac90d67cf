// What all readers of bytes share.

/** Its message is the reason, in the words of the command line. */
export class Unreadable extends Error {}

/** Bytes as text, one sign each. @param {Uint8Array} bytes @param {number} from @param {number} length */
export function latin(bytes, from, length) {
  let text = "";
  for (const byte of bytes.subarray(from, from + length)) text += String.fromCharCode(byte);
  return text;
}
