#!/bin/sh
# The demonstration behind `make demo`: train on drawings, measure, classify a few, and say where everything is.
# Needs BIN, the folder with the installed pawsight command.
set -eu
pawsight="${BIN:?}/pawsight"

heading() { printf '\n\033[1m%s\033[0m\n' "$*"; }

heading "1. Is everything here?      pawsight doctor"
"$pawsight" doctor

heading "2. What is in the sample?   pawsight inspect sample"
"$pawsight" inspect sample --quiet

heading "3. Train a classifier       pawsight train sample"
"$pawsight" train sample

heading "4. Measure it               pawsight evaluate runs/latest"
"$pawsight" evaluate runs/latest --quiet

heading "5. Classify pictures        pawsight predict runs/latest PICTURE..."
sample=$("${BIN}/python" -c 'import json, sys; print(json.load(open("runs/latest/source.json"))["root"])')
"$pawsight" predict runs/latest --quiet "$sample"/validation/cats/cat.000[0-2].jpg "$sample"/validation/dogs/dog.000[0-2].jpg

heading "Where everything is"
cat <<END
  $sample
      the drawings: look at them, they are drawn by Pawsight and are not photographs
  runs/latest/
      bundle/           the classifier; copy this folder anywhere and predict with it
      metrics.json      every number, with its interval
      predictions.csv   every answer on validation and test
      splits.csv        which picture was used for what
  Your own pictures, one folder per class:
      $pawsight train path/to/your/photos
  The exercise's 3,000 photographs (a download of 69 MB):
      $pawsight train cats-and-dogs
END
