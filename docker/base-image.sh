#!/bin/sh
# Prints the name of a Debian 12 image to build on, after making sure that it is there: the registry's
# debian:bookworm-slim when this engine has it or can pull it, else one made here from Debian packages.
# Usage: docker/base-image.sh        DOCKER_HOST is honoured. Making one needs root and mmdebstrap.
set -eu
registry_image=debian:bookworm-slim
own_image=trafficlab-base:bookworm # its own name: an image that is not the registry's must not pose as it

docker version >/dev/null 2>&1 || { echo "base-image.sh: no Docker engine answers" >&2; exit 4; }
has() { docker image inspect "$1" >/dev/null 2>&1; }
answer() { echo "$1" && exit 0; }

has "$registry_image" && answer "$registry_image"
has "$own_image" && answer "$own_image"

if [ "$(id -u)" -ne 0 ] || ! command -v mmdebstrap >/dev/null; then
  # Without a route to the registry a pull hangs rather than fails: hence the limit.
  timeout 120 docker pull --quiet "$registry_image" >&2 && answer "$registry_image"
  echo "base-image.sh: no registry gives $registry_image, and making it needs root and mmdebstrap" \
    "(apt-get install mmdebstrap)" >&2
  exit 4
fi

# Debian's sources as this host has them, and the settings without which they may not be reachable or accepted here.
sources=
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
  [ -n "$sources" ] || [ ! -s "$file" ] || sources=$file
done
set -- '--aptopt=Acquire::Retries "5"'
for setting in Acquire::Check-Valid-Until Acquire::Check-Date Acquire::http::Proxy Acquire::https::Proxy; do
  value=$(apt-config shell value "$setting")
  [ -z "$value" ] || { eval "$value" && set -- "$@" "--aptopt=$setting \"$value\""; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "base-image.sh: making $own_image from Debian packages" >&2
make() {
  # shellcheck disable=SC2086  # one file or none
  mmdebstrap --quiet --variant=minbase --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' "$@" bookworm "$folder/rootfs.tar" $sources >&2
}
# Twice, because a mirror's hiccup fails it at once.
make "$@" || { rm -f "$folder/rootfs.tar" && sleep 5 && make "$@"; }
docker import --message "Debian 12 minbase" "$folder/rootfs.tar" "$own_image" >/dev/null
answer "$own_image"
