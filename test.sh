#!/usr/bin/env bash
# Everything the tests need, then the tests: `./test.sh` on a machine with Rust.
#
# The GPU tests run on any Vulkan adapter and fail without one. Where there is no GPU, Mesa's software adapter
# (lavapipe) serves; on Debian and Ubuntu it is installed here when it is missing.
# With NMF_DATA set to a folder of the corpora, tests on real data run too; without it they say that they did not.
set -euo pipefail
cd "$(dirname "$0")"

has_vulkan() { ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json >/dev/null 2>&1 && ldconfig -p 2>/dev/null | grep -q libvulkan.so.1; }
if [ "$(uname -s)" = Linux ] && ! has_vulkan; then
    if command -v apt-get >/dev/null; then
        sudo=""
        [ "$(id -u)" = 0 ] || sudo=sudo
        $sudo apt-get update -qq
        $sudo apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1
    else
        echo "no Vulkan driver found: install Mesa's Vulkan drivers and the Vulkan loader, then run this again" >&2
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
