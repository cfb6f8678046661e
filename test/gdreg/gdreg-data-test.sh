#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Registers a pair of the development data and asserts its score:
# gdreg-data-test.sh <gdreg> <data folder> <work folder> <device> t1pair|nirep|lungct|mousect|msmri|prostate
set -eu
gdreg=$1
data=$2/$5
work=$3
device=$4
case=$5
if [ "$device" != cpu ] && ! "$gdreg" devices | grep -q '^cuda:[0-9]'; then
  echo "skipped: no GPU"
  exit 77
fi
rm -rf "$work"
mkdir -p "$work"

# run <fixed> <moving> <prefix> <options...>
run()
{
  local fixed=$1 moving=$2 prefix=$3
  shift 3
  "$gdreg" register --fixed "$data/$fixed" --moving "$data/$moving" --output-prefix "$work/$prefix" \
    --json "$work/$prefix.json" --device "$device" --quiet "$@"
  jq -c '{device: .device.name, seconds: .seconds.deformable, jacobian, inverse_consistency_voxels}' \
    "$work/$prefix.json"
  jq -e '.jacobian.folded_voxels == 0' "$work/$prefix.json" > /dev/null || { echo "FAILED: folded voxels"; exit 1; }
}

# score <prefix> <jq condition> <arguments of gdreg score...>
score()
{
  local prefix=$1 condition=$2
  shift 2
  "$gdreg" score --transform "$work/${prefix}_Composite.h5" --json "$work/score.json" --quiet "$@"
  jq -c 'del(.labels.labels, .points.errors)' "$work/score.json"
  jq -e "$condition" "$work/score.json" > /dev/null || { echo "FAILED: $condition"; exit 1; }
}

case $case in
  t1pair)
    run fixed.nii.gz moving.nii.gz t1 --linear none
    # the thirty structures to score, without the others
    labels=$(tr -s ' ,\n' '  ' < "$data/labels30.txt")
    "$gdreg" score --transform "$work/t1_Composite.h5" --json "$work/score.json" --quiet \
      --fixed-labels "$data/fixed_seg.nii.gz" --moving-labels "$data/moving_seg.nii.gz"
    mean=$(jq --arg wanted "$labels" '($wanted | split(" ")) as $names
      | [.labels.labels | to_entries[] | select(.key | IN($names[])) | .value] | add / length' "$work/score.json")
    echo "mean Dice of the thirty structures: $mean"
    jq -en "$mean >= 0.74" > /dev/null || { echo "FAILED: mean Dice $mean is below 0.74"; exit 1; }
    ;;
  nirep)
    run na01.nii.gz na02.nii.gz na --linear none
    score na '.labels.mean_dice >= 0.68 and .labels.union_dice >= 0.82' \
      --fixed-labels "$data/na01_seg.nii.gz" --moving-labels "$data/na02_seg.nii.gz"
    ;;
  lungct)
    run fixed.mha moving.mha lung --fixed-mask "$data/fixed_mask.mha" --moving-mask "$data/moving_mask.mha"
    score lung '.points.tre_mean <= 2.0' --fixed-points "$data/points_fixed.csv" \
      --moving-points "$data/points_moving.csv"
    # one scanner, one scale of intensities
    run fixed.mha moving.mha ssd --fixed-mask "$data/fixed_mask.mha" --moving-mask "$data/moving_mask.mha" --metric ssd
    score ssd '.points.tre_mean <= 1.6' --fixed-points "$data/points_fixed.csv" --moving-points "$data/points_moving.csv"
    ;;
  msmri)
    # T1 and T2: the linear stage ends at 1.85 mm, and what limits the rest is a field that follows the noise
    run p07_fixed_t1.nii.gz p07_moving_t2.nii.gz ms --metric mi --update-variance 25 --total-variance 4
    score ms '.points.tre_mean <= 0.65' --fixed-points "$data/p07_points_fixed.csv" \
      --moving-points "$data/p07_points_moving.csv"
    ;;
  prostate)
    # Ultrasound and MR: what they share is coarse, and finer levels follow speckle.
    for patient in tr00 tr01 tr03; do
      run ${patient}_fixed_us.nii.gz ${patient}_moving_mr.nii.gz $patient --linear none --metric mi \
        --update-variance 9 --total-variance 2 --shrink-factors 4 --smoothing-sigmas 2 --iterations 200
      labels=(--fixed-labels "$data/${patient}_fixed_us_seg.nii.gz" --moving-labels "$data/${patient}_moving_mr_seg.nii.gz")
      "$gdreg" score --json "$work/start.json" --quiet "${labels[@]}"
      score $patient ".labels.labels[\"1\"] >= $(jq '.labels.labels["1"]' "$work/start.json")" "${labels[@]}"
    done
    ;;
  mousect)
    for moving in DBA_2J CBA_J; do
      run DBA_1J.nii.gz $moving.nii.gz $moving
      score $moving '.points.tre_mean <= 0.24' \
        --fixed-points "$data/DBA_1J_points.csv" --moving-points "$data/${moving}_points.csv"
    done
    ;;
esac
rm -rf "$work"
