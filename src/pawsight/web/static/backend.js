// What the page needs from a backend: a server (rest_backend.js) or a model in the browser.

/**
 * @typedef {object} Backend
 * @property {string} privacy one sentence for people: where pictures go and whether they are kept
 * @property {{text: string, href: string}[]} links shown at the top, maybe none
 * @property {(told: (words: string, share?: number) => void) => Promise<Model>} model throws Busy while there is none yet,
 *   Closed where there will never be one; told(words, share of the work that is done) may be called on the way
 * @property {(files: File[], options?: {live?: boolean}) => Promise<Prediction[]>} classify one Prediction for each file, in
 *   order; throws Busy or Refused; live: frames of a camera, which say nothing about the pictures that people send
 * @property {(file: File, label: string) => Promise<Blob>} explain the whole picture with the heat map of a class,
 *   stretched to any shape
 * @property {(file: File) => Promise<Blob>} [thumbnail] a picture that this browser can show; only where the Model says
 *   `thumbnails`
 * @property {(file: File, label: string | null) => Promise<string>} [keep] the file is kept with the class a person gave,
 *   null for none of the classes; its digest
 * @property {(digest: string) => Promise<void>} [withdraw] it is no longer kept; both only where the Model says `feedback`
 * @property {() => Promise<Blob>} openReport the run's report; called where the Model says there is one without an address
 */

/**
 * @typedef {object} Model
 * @property {string | null} [title] the question at the top, or null where the classes make it
 * @property {string | null} [privacy] in place of the backend's, where it differs for this classifier
 * @property {string[]} classes
 * @property {boolean} [severalLabels] whether a picture may have several of the classes, or none; it is right where every
 *   label is
 * @property {string | null} recipe
 * @property {number | null} imagePx
 * @property {Measured | null} measured
 * @property {number | null} maxError share of answered pictures that may be wrong, where unsure ones are not answered
 * @property {Window | null} [window] what the latest pictures say; undefined where the backend does not know
 * @property {number | null} sets share of prediction sets that hold the true class, null where there are no sets
 * @property {{caught: number, pictures: number} | null} detector of other things how many it noticed; null where it calls
 *   no picture unfamiliar
 * @property {boolean} heatMaps
 * @property {boolean} [thumbnails] whether the backend makes small pictures of files that this browser cannot show
 * @property {string[]} [reads] names of the types of pictures that it reads, e.g. "JPEG"
 * @property {Share | null} [share] the page for other devices, whose QR code is share.svg
 * @property {boolean} [feedback] whether pictures are kept that a person labels
 * @property {string | boolean | null} report address of the run's report, true where openReport() has it, or null
 * @property {Group} group what one call of classify may hold
 * @property {number} largest bytes of one file
 */

/** @typedef {{address: string, asksToken: boolean}} Share */
/** @typedef {{subset: string, pictures: number, accuracy: number, interval: [number, number]}} Measured of pictures that were not trained on */
/** @typedef {{files: number, bytes: number, overhead?: number}} Group */
/** @typedef {{pictures: number, accuracy: number, interval: [number, number], alarm: boolean}} Window */
/** @typedef {"answered" | "unsure" | "unfamiliar"} Verdict */

/**
 * @typedef {object} Prediction
 * @property {string} file
 * @property {string | null} label a class where the verdict is "answered", else null or the verdict
 * @property {number | null} probability of the class, else null
 * @property {Record<string, number> | null} probabilities
 * @property {Verdict | null} verdict
 * @property {string[] | null} set the likeliest first, or null
 * @property {string[]} [labels] only where a picture may have several: those that it has; label and probability are then
 *   null
 * @property {string[]} [unsure] those of which that is not sure
 * @property {string | null} error
 * @property {string | null} [code] of the error: "decoder-lost" where the picture need not be to blame
 */

/**
 * A prediction of a picture that has one.
 *
 * @typedef {Prediction & {probabilities: Record<string, number>}} Answered
 */

/** @typedef {{labels: string[], unsure: string[]}} Labelled of a prediction with several labels */

/**
 * One picture of the page.
 *
 * @typedef {object} Item
 * @property {number} id
 * @property {File} file
 * @property {string} name
 * @property {"waiting" | "asking" | "done"} state
 * @property {any} prediction an Answered one where the state is "done" and there is no reason; else null
 * @property {any} reason why there is no answer, as text; else null
 * @property {string | null} code of the reason
 * @property {number} tries
 * @property {boolean} again whether it may be asked about again
 * @property {boolean} doubted whether its probability is below the user's threshold
 * @property {boolean} [alone] whether no other picture may go with it
 * @property {string | null | undefined} truth what the user says it is: a class, null for none, undefined for nothing said
 * @property {string[]} [reads] types of pictures that the backend reads
 * @property {string} [judged] when
 * @property {string} [saved] whether it is kept, as a sentence
 * @property {Promise<void>} [saving]
 * @property {string} [digest] of what is kept
 * @property {Thumbnail | null} thumbnail
 * @property {boolean} unseen whether the browser cannot show it
 * @property {boolean} [isShown] whether the backend was asked to show it
 * @property {Map<string, Promise<string>>} heats addresses of heat maps by class
 */

/** @typedef {{url: string, width: number, height: number, image?: HTMLImageElement}} Thumbnail */

/** The backend has no time; ask again after some seconds. */
export class Busy extends Error {
  /** @param {number} seconds @param {string} told */
  constructor(seconds, told = "The classifier is busy.") {
    super(told);
    this.seconds = seconds;
  }
}

/** There is no answer; `again` says whether the same files might be answered another time. */
export class Refused extends Error {
  /** @param {string} told @param {{again?: boolean}} options */
  constructor(told, { again = true } = {}) {
    super(told);
    this.again = again;
  }
}

/** There will be no answers from this backend, however often it is asked. */
export class Closed extends Refused {
  /** @param {string} told */
  constructor(told) {
    super(told, { again: false });
  }
}
