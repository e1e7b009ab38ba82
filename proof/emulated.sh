#!/usr/bin/env bash
# check.py on processors that are not here, by QEMU's user-mode emulation. From nothing but a Debian system:
#
#   proof/emulated.sh                          the runs at the end of this file, one by one
#   proof/emulated.sh arm64 CPU [WORD ...]     64-bit ARM: Debian's Python and PyTorch's own build for it
#   proof/emulated.sh x86-64 CPU [WORD ...]    the Python that is here, on a processor older than AVX
#
# CPU: what `qemu-aarch64-static -cpu help` or `qemu-x86_64-static -cpu help` lists. WORDs: see check.py.
# Root is needed only where qemu-user-static is not installed yet. Variables:
#   PYTHON   a Python with pip; for x86-64 with all that `pip install -e .[dev]` brings  (python3)
#   TORCH    of the ARM run. 2.10.0 is the last whose ARM wheel comes without CUDA
#   NUMPY    of the x86-64 run, where it shall be another one: from 2.3 on NumPy needs SSE4.2
#   LIMIT    seconds for a run (7200); SCRATCH  where all is kept (about 1.5 GB)
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(dirname "$HERE")
PYTHON=${PYTHON:-python3} TORCH=${TORCH:-2.10.0} NUMPY=${NUMPY:-} LIMIT=${LIMIT:-7200}
SCRATCH=${SCRATCH:-${TMPDIR:-/tmp}/psc-emulated}
ROOT=$SCRATCH/arm64 PACKAGES=$SCRATCH/torch-$TORCH
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export TORCH_CPP_LOG_LEVEL=ERROR # NNPACK, which is not used, would say for every convolution that it is absent

emulator() {
    command -v qemu-aarch64-static qemu-x86_64-static >/dev/null && return
    apt-get update -qq && apt-get install -qq -y --no-install-recommends qemu-user-static
}

# Debian's packages for arm64, with a package database of their own: nothing is installed here.
arm_root() {
    [ -e "$ROOT/done" ] && return
    local apt=$SCRATCH/apt package
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$ROOT"
    : >"$apt/status"
    local options=(-qq -y -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Install-Recommends=0
        -o Dir::State="$apt" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
        -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)")
    apt-get "${options[@]}" update
    apt-get "${options[@]}" --download-only install python3 libgomp1 libstdc++6
    for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$ROOT"; done
    touch "$ROOT/done"
}

arm_packages() {
    [ -e "$PACKAGES/done" ] && return
    local version options
    version=$(basename "$(readlink "$ROOT/usr/bin/python3")")
    options=(-qq --no-compile --upgrade --target "$PACKAGES" --only-binary=:all: --python-version "${version#python}"
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64
        --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64)
    # Without what its metadata asks for on the machine that runs pip.
    "$PYTHON" -m pip install "${options[@]}" --no-deps "torch==$TORCH"
    # constriction has no such wheel: stand_in/ takes its place.
    "$PYTHON" - "$TOP/pyproject.toml" <<'END' >"$SCRATCH/requirements"
import sys, tomllib
needs = tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"]
print(*(n for n in needs if not n.startswith(("torch", "constriction"))), sep="\n")
END
    "$PYTHON" -m pip install "${options[@]}" --requirement "$SCRATCH/requirements" pytest hypothesis \
        filelock typing-extensions sympy networkx jinja2 fsspec
    touch "$PACKAGES/done"
}

run() { # PROGRAM...: with a limit, and what it was if it was ended
    local status=0 start=$SECONDS
    timeout "$LIMIT" nice -n 3 "$@" || status=$?
    echo "exit status $status after $((SECONDS - start)) s"
}

arm64() { # CPU [WORD ...]
    local cpu=$1
    echo "== arm64, $cpu, $(qemu-aarch64-static --version | head -n 1)"
    arm_root
    arm_packages
    PYTHONPATH=$TOP/src:$PACKAGES:$HERE/stand_in run qemu-aarch64-static -cpu "$cpu" -L "$ROOT" \
        "$ROOT/usr/bin/python3" "$HERE/check.py" "${@:2}"
}

x86_64() { # CPU [WORD ...]
    local cpu=$1 older=
    echo "== x86-64, $cpu, $(qemu-x86_64-static --version | head -n 1)"
    if [ -n "$NUMPY" ]; then
        older=$SCRATCH/numpy-$NUMPY:
        [ -e "${older%:}" ] ||
            "$PYTHON" -m pip install -qq --no-deps --target "${older%:}" "numpy==$NUMPY"
    fi
    PYTHONPATH=$older$TOP/src run qemu-x86_64-static -cpu "$cpu" "$(command -v "$PYTHON")" "$HERE/check.py" "${@:2}"
}

mkdir -p "$SCRATCH"
emulator
case ${1:-} in
arm64) arm64 "${@:2}" ;;
x86-64) x86_64 "${@:2}" ;;
'')
    pieces=(noise roots eigenvectors inputs small one-pixel latent)
    most=("${pieces[@]}" estimates default effort progressive fine photo-64 photo-96x64) # photo-128 takes hours
    arm64 cortex-a76 kernel network                  # on the kernel of choice; NEON
    arm64 cortex-a76 --kernel=float32 "${most[@]}"   # faster here
    arm64 max "${pieces[@]}"                         # SVE
    x86_64 Nehalem kernel network "${most[@]}"       # SSE4.2
    NUMPY=2.2.6 x86_64 core2duo "${pieces[@]}"       # SSSE3
    ;;
*)
    sed -n '2,/^set/{/^#/p}' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac
