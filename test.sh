#!/usr/bin/env bash
# Everything the tests need, then the tests: `./test.sh` on a machine with Rust.
#
# The GPU tests run on any Vulkan adapter and fail without one. Where there is no GPU, Mesa's software adapter
# (lavapipe) serves. Reports are opened in Chromium. On Debian and Ubuntu both are installed here when they are missing.
# With NMF_DATA set to a folder of the corpora, tests on real data run too; without it they say that they did not.
set -euo pipefail
cd "$(dirname "$0")"

has_vulkan() { ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json >/dev/null 2>&1 && ldconfig -p 2>/dev/null | grep -q libvulkan.so.1; }
has_browser() { for name in "${CHROMIUM:-chromium}" chromium chromium-browser google-chrome google-chrome-stable chrome; do command -v "$name" >/dev/null && return; done; return 1; }
missing=()
if [ "$(uname -s)" = Linux ] && ! has_vulkan; then missing+=(mesa-vulkan-drivers libvulkan1); fi
if ! has_browser; then missing+=(chromium); fi
if [ ${#missing[@]} -gt 0 ]; then
    if command -v apt-get >/dev/null; then
        sudo=""
        [ "$(id -u)" = 0 ] || sudo=sudo
        $sudo apt-get update -qq
        $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
    else
        echo "not found: ${missing[*]} (Debian's names); install a Vulkan driver with the Vulkan loader, and Chromium or Chrome (CHROMIUM may say where it is), then run this again" >&2
        exit 1
    fi
fi

# Mesa complains on stderr where this is not set
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
fi

cargo test --workspace --quiet "$@"

# The GPU's operations once more on other adapters, each named so that no other can take its place: SwiftShader, which Chromium
# and Chrome bring (nothing beyond the portable limits; subgroups of 4), and lavapipe with vectors of 128 bits (subgroups of 4
# instead of 8). SwiftShader compiles for seconds where other drivers take milliseconds: it gets the comparisons with the
# plain formulas, unchecked, in windows.
# (Of the whole workspace, so that nothing is compiled anew with other features; the filters name tests of nmf-gpu.)
conformance_on() { # ICD file, part of the adapter's name, size of its subgroups, filters
    local icd=$1 name=$2 subgroup=$3
    shift 3
    VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd NMF_TEST_ADAPTER=$name NMF_TEST_SUBGROUP=$subgroup \
        cargo test --quiet --workspace --test conformance -- the_adapter_is_the_one_wanted "$@"
}
if [ "$(uname -s)" = Linux ] && [ $# -eq 0 ]; then
    swiftshader=${SWIFTSHADER_ICD:-}
    for folder in /usr/lib/chromium /usr/lib64/chromium-browser /usr/lib/chromium-browser /opt/google/chrome; do
        file=$folder/vk_swiftshader_icd.json
        if [ -z "$swiftshader" ] && [ -f "$file" ]; then swiftshader=$file; fi
    done
    if [ ! -f "$swiftshader" ]; then
        echo "vk_swiftshader_icd.json is not where Chromium and Chrome put it; SWIFTSHADER_ICD may say where it is" >&2
        exit 1
    fi
    conformance_on "$swiftshader" SwiftShader 4 gpu_unchecked_in_windows::oracle --skip oracle::mu_steps
    # Mesa's cache does not tell kernels of one width from those of another
    cache=$(mktemp -d)
    for lavapipe in /usr/share/vulkan/icd.d/lvp_icd{,."$(uname -m)"}.json; do
        if [ -f "$lavapipe" ]; then
            MESA_SHADER_CACHE_DIR=$cache LP_NATIVE_VECTOR_WIDTH=128 conformance_on "$lavapipe" llvmpipe 4 gpu::
        fi
    done
    rm -rf "$cache"
fi

# a backend and a loss of a third party: both check themselves
cargo run --quiet -p nmf-cpu --example own_backend
cargo run --quiet -p nmf-cpu --example own_loss
