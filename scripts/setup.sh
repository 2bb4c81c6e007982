#!/usr/bin/env bash
# Makes .venv with .venv/bin/changeover in it. `make setup` calls this; it may be called any number of times.
#
#   PYTHON   the interpreter to use; without it the first of 3.13, 3.12, 3.11 that works
#
# pip is used as this machine configured it (indexes, proxies, certificates). Debian packages are installed
# only when no interpreter here can make a virtual environment, and only by root or a sudo that asks nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cd "$(pwd -P)" # as make sees it

readonly VENV=.venv
readonly STAMP=$VENV/.installed
# A pip.conf with `user = true` would make every installation into a virtual environment fail.
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0

say() { printf '\n== setup: %s\n' "$*"; }
die() { printf '\nsetup: %s\n' "$*" >&2; exit 1; }

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

fits() { # an interpreter of a version that the project supports
    case "$(version_of "$1")" in 3.11 | 3.12 | 3.13) ;; *) return 1 ;; esac
}

brings_pip() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }
lends_pip() { "$1" -m pip --python "$1" --version >/dev/null 2>&1; }
can_make_venv() { fits "$1" && { brings_pip "$1" || lends_pip "$1"; }; }

first_that() { # the first interpreter for which the test $1 holds
    local candidate
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 /usr/bin/python3}; do
        candidate=$(command -v "$candidate") || continue
        case "$candidate" in "$PWD/$VENV"/*) continue ;; esac # activated, and about to be replaced
        "$1" "$candidate" && echo "$candidate" && return
    done
    return 1
}

install_debian_packages() {
    local as_root=() options=(-qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    command -v apt-get >/dev/null || die "this needs Python 3.11, 3.12 or 3.13 with its venv module; install it, or name one: make setup PYTHON=/path/to/python3"
    if [ "$(id -u)" != 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            die "this needs Debian packages, and installing them needs root. Run
    sudo apt-get install $*
and then the same command again."
        fi
        as_root=(sudo -n)
    fi
    say "installing Debian packages: $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" update </dev/null
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get "${options[@]}" install -y --no-install-recommends "$@" </dev/null
    hash -r
}

find_python() { # sets `python`
    local package=python3-venv
    python=$(first_that can_make_venv) && return
    if python=$(first_that fits); then
        # An interpreter of Debian's without its venv package; the others come with everything.
        case "$python" in /usr/bin/*) package=python$(version_of "$python")-venv ;; esac
    elif [ -n "${PYTHON:-}" ]; then
        die "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13"
    fi
    install_debian_packages "$package"
    python=$(first_that can_make_venv) ||
        die "no Python 3.11, 3.12 or 3.13 that can make a virtual environment; install one and name it: make setup PYTHON=/path/to/python3"
}

usable_venv() { # whether the .venv that is here can be kept
    fits "$VENV/bin/python" || return 1
    [ ! -e "$STAMP" ] || [ "$(cat "$STAMP")" = "$PWD" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$VENV/bin/python")" = "$(version_of "$PYTHON")" ]
}

make_venv() {
    if usable_venv; then
        say "keeping $VENV (Python $(version_of "$VENV/bin/python"))"
        python=$VENV/bin/python
    else
        find_python
        say "creating $VENV with $python (Python $(version_of "$python"))"
        rm -rf "$VENV"
        "$python" -m venv --without-pip "$VENV"
    fi
}

find_pip() { # sets `pip`, the command that installs into .venv
    pip=("$VENV/bin/python" -m pip)
    "${pip[@]}" --version >/dev/null 2>&1 && return
    "$VENV/bin/python" -m ensurepip --default-pip >/dev/null 2>&1 && return
    # Debian's python3-pip without python3-venv: the pip outside can serve the environment as well.
    [ "$python" != "$VENV/bin/python" ] || find_python
    lends_pip "$python" || die "$python has no pip for $VENV; remove $VENV and run the same command again"
    pip=("$python" -m pip --python "$VENV/bin/python")
}

make_venv
rm -f "$STAMP"
find_pip
say "installing what requirements/*.txt lock (about 100 MB and half a minute on the first run)"
"${pip[@]}" install --quiet --require-hashes --only-binary :all: -r requirements/run.txt -r requirements/dev.txt
say "installing changeover from this tree"
"${pip[@]}" install --quiet --no-deps --no-build-isolation --editable .
printf '%s\n' "$PWD" >"$STAMP"
say "ready: $VENV/bin/changeover (Python $(version_of "$VENV/bin/python"))"
