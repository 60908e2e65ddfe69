#!/bin/sh
# Pretends to assay a metal: silver passes, lead does not turn into gold.
echo "testing $1 of $2 as $(id -un) in $(pwd)"
test "$2" = silver
