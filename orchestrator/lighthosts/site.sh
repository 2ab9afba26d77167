#!/bin/sh
# How does a site come to life? Run as `site.sh hold`, which leads to `site.sh init`.
# Given: LH_FOLDER, LH_CGROUP, LH_TOKEN, LH_GATEWAY, LH_PREFIX, LH_MIRROR, LH_PYTHON, LH_SCRIPT.
set -e
case "$1" in
hold) # in the machine's namespaces: become the holder, known by its number
  echo 0 > "$LH_CGROUP/cgroup.procs"
  read -r token < "$LH_FOLDER/token"
  [ "$token" = "$LH_TOKEN" ] # a launch that came late must not join a newer site
  echo $$ > "$LH_FOLDER/.pid.new"
  mv "$LH_FOLDER/.pid.new" "$LH_FOLDER/pid"
  exec unshare --net --mount --pid --fork --kill-child=KILL --mount-proc --propagation private \
    -- sh "$LH_SCRIPT" init
  ;;
init) # PID 1 of the site: its bridge, its package mirror, then reap whatever is left over
  ip link set lo up
  ip link add br0 type bridge
  ip addr add "$LH_GATEWAY/$LH_PREFIX" dev br0
  ip link set br0 up
  : > "$LH_FOLDER/ready"
  while :; do
    "$LH_PYTHON" -I -S -B -m http.server -p HTTP/1.1 -b "$LH_GATEWAY" -d "$LH_MIRROR" 8099 || :
    sleep 1
  done > "$LH_FOLDER/mirror.log" 2>&1 &
  while :; do
    wait || :
  done
  ;;
esac
