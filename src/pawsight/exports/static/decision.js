// Whether a picture is answered, by the thresholds of the bundle, as classifier/trust.py decides.

import { UNLIKE, UNSURE } from "./words.js";

export function decision(probability, unlikeness, facts) {
  const { answer_from_probability: from, unlike_anything_seen_above: above } = facts;
  const isLike = typeof unlikeness === "number" && unlikeness <= above; // a missing or invalid number is not
  if (above !== null && !isLike) return UNLIKE;
  return from === null || probability >= from ? "answered" : UNSURE;
}
