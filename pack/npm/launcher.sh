#!/bin/sh
# Becomes the program of the package for this machine, so that signals and exit codes are its own. (A program in JavaScript
# could only start it, and would stand between it and its terminal.)
program=$(readlink -f -- "$0") || exit 126
folder=${program%/*}
case $(uname -m) in
  x86_64) package=sandbox-agent-static-linux-x64 ;;
  aarch64) package=sandbox-agent-static-linux-arm64 ;;
  *) package=sandbox-agent-static-linux-$(uname -m) ;;
esac
# Where Node would look.
while [ -n "$folder" ]; do
  found=$folder/node_modules/$package/bin/sandbox-agent
  [ ! -x "$found" ] || exec "$found" "$@"
  folder=${folder%/*}
done
echo "error: the npm package $package is not installed beside sandbox-agent-static" >&2
echo "hint: it is for Linux on x64 and arm64, and an optional dependency: install without --omit=optional" >&2
exit 127
