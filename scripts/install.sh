#!/bin/sh
# Make a Python environment from a lock file with hashes, then install what else is named. One line per stage; what the
# commands print goes to a log, which is named when one of them fails.
#
#   sh scripts/install.sh PYTHON FOLDER LOCK [words of a last pip install, such as --no-deps -e .]
set -eu
python=$1 folder=$2 lock=$3
shift 3
log=$folder/install.log

stage() {
    echo "$1"
    shift
    "$@" >>"$log" 2>&1 && return
    tail -n 15 "$log" >&2
    echo "this stage failed; its whole output is in $log" >&2
    exit 1
}

pip() {
    "$folder/bin/python" -m pip --disable-pip-version-check install --progress-bar off "$@"
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "swaplab needs Python 3.11 or newer, and $python is not; name one with make PYTHON=python3.11" >&2
    exit 2
}
mkdir -p "$folder"
: >"$log"
"$folder/bin/python" -m pip --version >/dev/null 2>&1 ||
    stage "creating a Python environment in $folder" "$python" -m venv "$folder"
stage "installing the packages of $lock (output: $log)" pip --require-hashes -r "$lock"
[ $# -eq 0 ] || stage "installing swaplab" pip "$@"
