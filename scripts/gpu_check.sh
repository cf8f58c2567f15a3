#!/bin/sh
# Measures on a machine with a graphics processor what docs/performance.md has a place for, in ten
# minutes, also where there is no network.
#
#   scripts/gpu_check.sh pack           where there is network: packs Deno and the loader of Vulkan
#   scripts/gpu_check.sh run [FLAGS]    measures; FLAGS are those of `deno task bench --gpu`
#
# What is packed lies in the folder .gpu, which git ignores, and takes less than 60 MB: carry it along
# with the checkout. Both machines are Linux on the same kind of processor.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
packed=$root/.gpu

# Says in one line what is missing, and goes on.
missing() { echo "gpu_check: $*" >&2; }

# The version of Deno that the repository is developed with, as in .ci/run.
version=2.9.6

# The most that is packed, in megabytes.
limit=60

# Deno on the path if it has the version, or by npm.
any_deno() {
  case $(deno --version 2>/dev/null) in
    "deno $version "*) deno "$@" ;;
    *) npx -y "deno@$version" "$@" ;;
  esac
}

pack() {
  mkdir -p "$packed"
  deno=$(any_deno eval 'console.log(Deno.execPath())') || {
    missing "there is neither Deno $version nor npx to fetch it: install one of them"
    exit 1
  }
  xz -6 --threads=2 --stdout "$deno" >"$packed/deno.xz"
  rm -rf "$packed/bin"
  # The loader finds the driver; the driver comes with the processor.
  work=$(mktemp -d)
  if (cd "$work" && apt-get download libvulkan1 >/dev/null 2>&1); then
    mkdir -p "$packed/lib"
    dpkg-deb --extract "$work"/libvulkan1_*.deb "$work/unpacked"
    find "$work/unpacked" -name 'libvulkan.so.1*' -type f -exec cp {} "$packed/lib/libvulkan.so.1" \;
  else
    missing "the package libvulkan1 cannot be downloaded: a machine without it finds no adapter"
  fi
  rm -r "$work"
  rm -rf "$packed/cache"
  size=$(du -sm "$packed" | cut -f 1)
  echo "$packed: $size MB; carry it along with the checkout, then run scripts/gpu_check.sh run there"
  if [ "$size" -gt "$limit" ]; then
    missing "that is more than the $limit MB that it should be"
    exit 1
  fi
}

# Puts the packed Deno on the path, whose version is known to work; without one, any other stays.
find_deno() {
  if [ ! -e "$packed/deno.xz" ]; then
    if command -v deno >/dev/null; then return; fi
    missing "there is no Deno, on the path or in .gpu: run scripts/gpu_check.sh pack elsewhere first"
    exit 1
  fi
  mkdir -p "$packed/bin"
  if [ ! -x "$packed/bin/deno" ]; then
    if command -v xz >/dev/null; then
      xz --decompress --stdout "$packed/deno.xz" >"$packed/bin/deno.new"
    else
      python3 -c 'import lzma, shutil, sys
shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' \
        "$packed/deno.xz" "$packed/bin/deno.new"
    fi
    chmod +x "$packed/bin/deno.new"
    mv "$packed/bin/deno.new" "$packed/bin/deno"
  fi
  if ! "$packed/bin/deno" --version >/dev/null; then
    missing "the packed Deno does not run here: pack on a machine with the same kind of processor"
    exit 1
  fi
  PATH=$packed/bin:$PATH
  export PATH
}

# Whether the system finds the loader of Vulkan.
has_loader() {
  PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'
}

# Names the driver to the loader, where it lies in none of the places that are looked in.
find_driver() {
  if [ -n "${VK_DRIVER_FILES:-}" ]; then return; fi
  for file in /etc/vulkan/icd.d/*.json /usr/share/vulkan/icd.d/*.json \
    /usr/local/share/vulkan/icd.d/*.json; do
    if [ -e "$file" ]; then return; fi
  done
  for file in /usr/local/*/share/vulkan/icd.d/*.json /opt/*/share/vulkan/icd.d/*.json; do
    if [ -e "$file" ]; then
      VK_DRIVER_FILES=$file
      export VK_DRIVER_FILES
      return
    fi
  done
  missing "no driver of Vulkan was found: what needs the graphics processor is named as missing"
}

run() {
  find_deno
  find_driver
  cd "$root"
  # Where the home folder cannot be written, Deno keeps its cache here.
  DENO_DIR=${DENO_DIR:-$packed/cache}
  XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}
  DENO_NO_UPDATE_CHECK=1
  export DENO_DIR XDG_RUNTIME_DIR DENO_NO_UPDATE_CHECK
  if has_loader; then
    deno task --quiet bench --gpu "$@"
  elif [ -e "$packed/lib/libvulkan.so.1" ]; then
    deno task --quiet bench --gpu --loader "$packed/lib" "$@"
  else
    missing "there is no loader of Vulkan, on the system or in .gpu: no adapter will be found"
    deno task --quiet bench --gpu "$@"
  fi
}

case ${1:-} in
  pack) pack ;;
  run)
    shift
    run "$@"
    ;;
  *)
    echo "usage: scripts/gpu_check.sh pack | run [--small] [--python PATH] [--out FOLDER]" >&2
    exit 2
    ;;
esac
