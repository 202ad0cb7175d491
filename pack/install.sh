#!/bin/sh
# Installs sandbox-agent: downloads the static binary for this machine, compares it with the published checksum, and only then
# puts it in place, in one step. usage: install.sh [--from BASE] [--to DIR] [--version V]; --help says more.
#
# All of it is one function that is called by the very last line: of a download that broke off nothing is carried out.

sandbox_agent_install() {
  set -eu
  umask 022

  # Where releases are; written here by `pack/release --url`.
  base=${SANDBOX_AGENT_BASE_URL-}
  [ -n "$base" ] || base='@BASE@'
  to= version= partial=

  say() { printf '%s\n' "$*"; }
  fail() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
    exit 1
  }
  has() { command -v "$1" >/dev/null 2>&1; }
  clean() { [ -z "$partial" ] || rm -rf "$partial"; }

  usage() {
    cat <<'END'
usage: install.sh [--from BASE] [--to DIR] [--version V]

  --from BASE    where the release is: a URL (https, http or file) or a folder [env: SANDBOX_AGENT_BASE_URL]
  --to DIR       where the program goes [default: /usr/local/bin for root, else ~/.local/bin];
                 of a DIR named bin, manual pages and completions go to share beside it
  --version V    this version, from BASE/vV or from BASE; without it what lies at BASE

Needs curl or wget (not for a folder), tar with gzip, and sha256sum, shasum or openssl.
END
  }

  # fetch NAME FILE: from the base. Fails without a word of its own where there is nothing.
  fetch() {
    case $base in
      http://* | https://*)
        if has curl; then
          # Nobody leads a secure address to one that is not.
          curl --fail --silent --show-error --location --proto-redir "=${base%%:*},https" --connect-timeout 30 --retry 2 \
            --output "$2" -- "$base/$1"
        elif has wget; then
          wget -q -t 3 -O "$2" "$base/$1"
        else
          fail "neither curl nor wget is here to download with" "install one of them, or download the files and name their folder with --from"
        fi
        ;;
      *) [ -f "${base#file://}/$1" ] && cat "${base#file://}/$1" >"$2" ;;
    esac
  }

  sum() {
    if has sha256sum; then
      sha256sum "$1"
    elif has shasum; then
      shasum -a 256 "$1"
    elif has openssl; then
      openssl dgst -sha256 -r "$1"
    else
      fail "there is no sha256sum, shasum or openssl to compare the checksum with" "install coreutils"
    fi
  }

  # The one archive for this machine among the sums that were fetched, as "SUM NAME".
  archive() {
    while read -r hash name; do
      case ${name#\*} in
        */*) ;;
        "sandbox-agent-${version:-*}-$machine-linux.tar.gz") say "$hash ${name#\*}" ;;
        sandbox-agent-*-"$machine"-linux.tar.gz) [ -n "$version" ] || say "$hash ${name#\*}" ;;
      esac
    done <"$partial/SHA256SUMS"
  }

  while [ $# -gt 0 ]; do
    case $1 in
      --from | --to | --version)
        [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 wants a value" "see --help"
        case $1 in --from) base=$2 ;; --to) to=$2 ;; --version) version=${2#v} ;; esac
        shift 2
        ;;
      -h | --help)
        usage
        return 0
        ;;
      *) fail "unknown argument: $1" "see --help" ;;
    esac
  done

  for tool in uname mktemp tar gzip cat chmod mkdir mv rm; do
    has "$tool" || fail "this needs $tool, which is not in PATH"
  done
  case $base in
    '' | @*) fail "where the release is was not said" "name a URL or a folder with --from or SANDBOX_AGENT_BASE_URL" ;;
  esac
  base=${base%/}
  [ "$(uname -s)" = Linux ] || fail "there is no binary for $(uname -s), only for Linux" "build it: cargo install --path ."
  case $(uname -m) in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail "there is no binary for $(uname -m), only for x86_64 and aarch64" "build it: cargo install --path ." ;;
  esac

  if [ -z "$to" ]; then
    if [ -w /usr/local/bin ]; then
      to=/usr/local/bin
    else
      [ -n "${HOME-}" ] || fail "there is no HOME to install below" "name a folder with --to"
      to=$HOME/.local/bin
    fi
  fi
  case $to in /*) ;; *) to=./$to ;; esac
  mkdir -p "$to" 2>/dev/null || fail "cannot make $to" "name a folder of yours with --to, or run this as root"
  [ ! -d "$to/sandbox-agent" ] || fail "$to/sandbox-agent is a folder" "name another folder with --to"
  # In the folder where it goes: so it can be moved into place in one step, and is tried where it may run.
  partial=$(mktemp -d "$to/.sandbox-agent.XXXXXXXX" 2>/dev/null) ||
    fail "cannot write to $to" "name a folder of yours with --to, or run this as root"
  trap clean EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  if [ -n "$version" ]; then
    flat=$base
    base=$base/v$version
    fetch SHA256SUMS "$partial/SHA256SUMS" 2>/dev/null || base=$flat
  fi
  [ -s "$partial/SHA256SUMS" ] || fetch SHA256SUMS "$partial/SHA256SUMS" ||
    fail "cannot get $base/SHA256SUMS" "is that where a release is, and can it be reached from here?"
  found=$(archive)
  case $found in
    '') fail "$base has no ${version:+version $version }for $machine" "its SHA256SUMS names what there is" ;;
    *"
"*) fail "$base has more than one version" "choose with --version" ;;
  esac
  wanted=${found%% *} name=${found#* }
  fetch "$name" "$partial/$name" || fail "cannot get $base/$name"
  is=$(sum "$partial/$name") || exit 1
  is=${is%% *}
  [ "$is" = "$wanted" ] || fail "$base/$name is not what was published: its SHA-256 is $is, not $wanted" "nothing was installed; try again"

  folder=$partial/${name%-"$machine"-linux.tar.gz}
  gzip -dc "$partial/$name" | tar -xf - -C "$partial" || fail "cannot unpack $name"
  chmod 755 "$folder/sandbox-agent" || fail "there is no sandbox-agent in $name"
  told=$("$folder/sandbox-agent" --version) || fail "the program does not run here" "is $to on a file system mounted noexec?"
  mv -f "$folder/sandbox-agent" "$to/sandbox-agent" || fail "cannot replace $to/sandbox-agent"
  say "$told is installed: $to/sandbox-agent"

  # What is nice to have, where it is looked for; that it cannot be written is no failure.
  case $to in
    */bin)
      while read -r from at; do
        mkdir -p "$to/../share/$at" 2>/dev/null && mv -f "$folder"/$from "$to/../share/$at/" 2>/dev/null || {
          say "note: $from was left out, because ${to%/bin}/share/$at cannot be written"
        }
      done <<'END'
man/*.1 man/man1
completions/sandbox-agent.bash bash-completion/completions
completions/_sandbox-agent zsh/site-functions
completions/sandbox-agent.fish fish/vendor_completions.d
END
      ;;
  esac
  case :${PATH-}: in
    *:"$to":*) ;;
    *) say "note: $to is not in PATH" ;;
  esac
}

{ sandbox_agent_install "$@"; }
