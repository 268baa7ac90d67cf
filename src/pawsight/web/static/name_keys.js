// Which digit gives which name on the label page.

const DIGITS = [..."1234567890"];

/**
 * Each digit and its name: a name that is a digit has its own key, the others take what is left in their order.
 *
 * @param {string[]} names
 * @returns {Map<string, string>}
 */
export function keysOf(names) {
  const own = names.filter((name) => DIGITS.includes(name));
  const free = DIGITS.filter((digit) => !own.includes(digit));
  const others = names.filter((name) => !own.includes(name)).slice(0, free.length);
  const keys = new Map(own.map((name) => [name, name]));
  for (const [index, name] of others.entries()) keys.set(free[index], name);
  return keys;
}
