#!/bin/sh
# How does a host come to life? hold -> net -> (init -> boot -> systemd), again after each reboot.
# Given: LH_FOLDER, LH_CGROUP, LH_TOKEN, LH_SITE_PID, LH_LINK, LH_MAC, LH_ADDRESS, LH_PREFIX,
# LH_GATEWAY, LH_HOSTNAME, LH_BASE, LH_SCRIPT. Recipe: reference light-hosts 1.2.
set -e
case "$1" in
hold) # in the machine's namespaces: become the holder, known by its number
  echo 0 > "$LH_CGROUP/holder/cgroup.procs"
  read -r token < "$LH_FOLDER/token"
  [ "$token" = "$LH_TOKEN" ] # a launch that came late must not join a newer host
  echo $$ > "$LH_FOLDER/.pid.new"
  mv "$LH_FOLDER/.pid.new" "$LH_FOLDER/pid"
  exec nsenter --target "$LH_SITE_PID" --mount --net --pid -- \
    unshare --net -- sh "$LH_SCRIPT" net
  ;;
net) # in the site, in a network namespace of our own, which lives as long as this shell
  tries=0
  until ip link add eth0 address "$LH_MAC" type veth peer name "$LH_LINK" netns 1; do
    tries=$((tries + 1)) # the link of a host just ended goes away a moment after it
    [ "$tries" -lt 100 ]
    sleep 0.05
  done
  nsenter --target 1 --net -- ip -batch - <<-END
	link set $LH_LINK master br0 up
	neigh replace $LH_ADDRESS lladdr $LH_MAC dev br0 nud permanent
	END
  ip -batch - <<-END
	link set lo up
	addr add $LH_ADDRESS/$LH_PREFIX dev eth0
	link set eth0 up
	route add default via $LH_GATEWAY
	END
  status=129
  while [ "$status" = 129 ]; do # how unshare says that its child asked for a reboot
    status=0
    unshare --pid --uts --ipc --fork --kill-child=KILL -- sh "$LH_SCRIPT" init || status=$?
  done
  echo "$status" > "$LH_FOLDER/ended"
  ;;
init) # a cgroup of its own, which systemd sees as the root of all
  echo 0 > "$LH_CGROUP/init/cgroup.procs"
  exec unshare --cgroup --mount -- sh "$LH_SCRIPT" boot
  ;;
boot) # becomes PID 1 of the host
  mount --make-rprivate /
  mount -t overlay overlay \
    -o "lowerdir=$LH_BASE,upperdir=$LH_FOLDER/up,workdir=$LH_FOLDER/work" "$LH_FOLDER/root"
  hostname "$LH_HOSTNAME"
  cd "$LH_FOLDER/root"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755,nosuid tmpfs dev
  mkdir -p dev/pts dev/shm
  for f in null zero full random urandom tty; do
    : > "dev/$f"
    mount --bind "/dev/$f" "dev/$f"
  done
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  ln -s /proc/self/fd/0 dev/stdin
  ln -s /proc/self/fd/1 dev/stdout
  ln -s /proc/self/fd/2 dev/stderr
  mount -t tmpfs tmpfs dev/shm
  mount -t tmpfs -o mode=755 tmpfs run
  mkdir -p run/sshd run/lock
  mount -t tmpfs tmpfs tmp
  # The kernel's boot id does not change, and Ansible's `reboot` waits until it does.
  cat proc/sys/kernel/random/uuid > run/boot_id
  mount --bind run/boot_id proc/sys/kernel/random/boot_id
  mkdir -p .old
  pivot_root . .old
  exec chroot . /bin/sh -c 'umount -l /.old; rmdir /.old; cd /
    exec env -i container=lighthost PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      /lib/systemd/systemd --log-target=journal'
  ;;
esac
