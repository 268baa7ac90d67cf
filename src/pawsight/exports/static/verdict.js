// Whether a picture is answered, as trust.py says it. Does not know: where the numbers come from.

import { UNLIKE, UNSURE } from "./words.js";

export function verdict(probability, unlikeness, facts) {
  const { answer_from_probability: from, unlike_anything_seen_above: above } = facts;
  const isLike = typeof unlikeness === "number" && unlikeness <= above; // what is missing, or no number, is not
  if (above !== null && !isLike) return UNLIKE;
  return from === null || probability >= from ? "answered" : UNSURE;
}
