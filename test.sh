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
# a backend and a loss of a third party: both check themselves
cargo run --quiet -p nmf-cpu --example own_backend
cargo run --quiet -p nmf-cpu --example own_loss
