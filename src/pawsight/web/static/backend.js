// What the page needs from a backend: a server (rest_backend.js) or a model in the browser.
//
// A backend is an object with
//   privacy      one sentence for people: where pictures go and whether they are kept
//   links        [{text, href}] shown at the top, maybe none
//   model(told)  -> Promise of a Model; throws Busy while there is none yet, Closed where there will never be one;
//                told(words) may be called on the way
//   classify(files, {live})  -> Promise of one Prediction for each File, in order; throws Busy or Refused; live: frames
//                of a camera, which say nothing about the pictures that people send
//   explain(file, label)  -> Promise of a Blob: the whole picture with the heat map of a class, stretched to any shape
//   thumbnail(file)  -> Promise of a Blob that this browser can show; only where the Model says `thumbnails`
//   keep(file, label)  -> Promise of a digest: the file is kept with the class a person gave, null for none of the classes
//   withdraw(digest)   -> Promise: it is no longer kept; both only where the Model says `feedback`
//   openReport()     shows the run's report; called where the Model says there is one without an address
//
// Model: {title, classes, recipe, imagePx, measured, maxError, sets, detector, heatMaps, thumbnails, reads, feedback, report, share, group, largest}
//   title        the question at the top, or null where the classes make it
//   measured     {subset, pictures, accuracy, interval: [low, high]} of pictures that were not trained on, or null
//   maxError     share of answered pictures that may be wrong, where unsure ones are not answered; else null
//   sets         share of prediction sets that hold the true class, null where there are no sets
//   detector     {caught, pictures} of other things that it noticed; null where it calls no picture unfamiliar
//   thumbnails   whether the backend makes small pictures of files that this browser cannot show
//   reads        names of the types of pictures that it reads, e.g. "JPEG"
//   feedback     whether pictures are kept that a person labels
//   report       address of the run's report, true where openReport() shows it, or null
//   share        {address, asksToken} of the page for other devices, whose QR code is share.svg, or null
//   group        {files, bytes} that one call of classify may hold
//   largest      bytes of one file
//
// Prediction: {file, label, probability, probabilities, verdict, set, error, code}
//   label        a class where the verdict is "answered", else null or the verdict
//   probability  of the class, else null
//   verdict      "answered", "unsure", "unfamiliar", or null
//   set          [names], the likeliest first, or null
//   code         of the error: "decoder-lost" where the picture need not be to blame

export class Busy extends Error {
  constructor(seconds, told = "The classifier is busy.") {
    super(told);
    this.seconds = seconds;
  }
}

// `again` says whether the same files might be answered another time.
export class Refused extends Error {
  constructor(told, { again = true } = {}) {
    super(told);
    this.again = again;
  }
}

// There will be no answers from this backend, however often it is asked.
export class Closed extends Refused {
  constructor(told) {
    super(told, { again: false });
  }
}
