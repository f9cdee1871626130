# Debian's minimal root as the private root of a system WPAR (base) that the first test makes: its packages are unpacked,
# and dpkg and apt inside do everything else.
#
# minbase: base
# memory: 3G
# cpus: 2
# patience: 600

cat >/usr/bin/inside <<'INSIDE'
#!/bin/sh
exec clogin base env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
INSIDE
chmod 755 /usr/bin/inside

if lswpar -q base >/dev/null 2>&1; then :; else
	mkwpar -n base -l -p >/dev/null
	startwpar base >/dev/null
fi

# Makes package NAME of VERSION in the repository /srv/repository, with more lines for its control file; its program says
# its name and version, and its scripts note what they are called with.
mkdir -p /wpars/base/srv
cat >/wpars/base/srv/package <<'PACKAGE'
set -e
name=$1 version=$2; shift 2
tree=/srv/build/$name; rm -rf $tree; mkdir -p $tree/DEBIAN $tree/usr/bin $tree/etc /srv/repository
{ printf '%s\n' "Package: $name" "Version: $version" 'Architecture: all' 'Maintainer: nobody <nobody@example.org>' \
	"$@" 'Description: a package of the suite'; } >$tree/DEBIAN/control
printf '#!/bin/sh\necho %s %s\n' "$name" "$version" >$tree/usr/bin/$name
echo "version=$version" >$tree/etc/$name.conf
echo /etc/$name.conf >$tree/DEBIAN/conffiles
for script in preinst postinst prerm postrm; do
	printf '#!/bin/sh\nset -e\necho %s %s "$1" >>/srv/said\ntest ! -e /srv/refuse-%s\n' $name $script $script >$tree/DEBIAN/$script
	chmod 755 $tree/DEBIAN/$script
done
chmod 755 $tree/usr/bin/$name
dpkg-deb --build --root-owner-group $tree /srv/repository >/dev/null
cd /srv/repository
for file in *.deb; do
	dpkg-deb --field $file
	printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' $file $(stat -c %s $file) $(sha256sum $file | cut -d' ' -f1)
done >Packages
PACKAGE

check MINBASE0001 'dpkg configures every package of the root, with the scripts of each' <<'END'
inside dpkg -l >list
test "$(grep -c '^iU' list)" -gt 60
! grep -q '^ii' list
inside dpkg --configure -a >said 2>&1 || { tail -n 30 said; exit 1; }
inside dpkg -l >list
! grep '^i[^i]' list
test "$(grep -c '^ii' list)" -gt 60
inside dpkg --audit >audit
! [ -s audit ]
inside dpkg --verify >changed
! grep -v ' c /etc/' changed
inside sh -c 'update-alternatives --query awk | grep -q "^Value: /usr/bin/mawk" && awk "BEGIN { exit 0 }"'
test "$(inside getent passwd www-data | cut -d: -f3)" = 33
END

check MINBASE0002 'apt-get installs a package and what it depends on from a local repository' <<'END'
inside bash /srv/package herd 1.0 'Depends: cow (>= 2)'
inside bash /srv/package cow 2.0
echo 'deb [trusted=yes] file:/srv/repository ./' >/wpars/base/etc/apt/sources.list
inside apt-get -q update
inside apt-get -q install -y herd
test "$(inside herd)" = 'herd 1.0'
test "$(inside cow)" = 'cow 2.0'
printf '%s\n' 'cow preinst install' 'herd preinst install' 'cow postinst configure' 'herd postinst configure' >expected
cmp expected /wpars/base/srv/said
inside dpkg-query -W -f '${Package} ${Status}\n' herd cow >states
test "$(grep -c 'install ok installed' states)" = 2
test "$(inside apt-mark showauto)" = cow
! [ -e /usr/bin/herd ]
inside apt-get -q remove -y herd
inside apt-get -q autoremove -y
! inside dpkg-query -W -f '${Status}\n' cow herd | grep -q 'ok installed'
! [ -e /wpars/base/usr/bin/cow ]
[ -e /wpars/base/etc/cow.conf ]
inside dpkg --purge cow herd
! [ -e /wpars/base/etc/cow.conf ]
rm /wpars/base/srv/said
END

check MINBASE0003 'dpkg installs, upgrades and keeps a configuration file that was changed, removes and purges' <<'END'
inside bash /srv/package calf 1.0
inside bash /srv/package calf 2.0
inside dpkg -i /srv/repository/calf_1.0_all.deb
test "$(inside calf)" = 'calf 1.0'
echo mine >/wpars/base/etc/calf.conf
inside dpkg --verify calf | grep -q '5...... *c /etc/calf.conf'
inside dpkg --force-confold -i /srv/repository/calf_2.0_all.deb
test "$(inside calf)" = 'calf 2.0'
test "$(cat /wpars/base/etc/calf.conf)" = mine
inside dpkg -L calf | grep -q '^/usr/bin/calf$'
test "$(inside dpkg -S /usr/bin/calf)" = 'calf: /usr/bin/calf'
inside dpkg -r calf
! inside calf
test "$(inside dpkg-query -W -f '${Status}' calf)" = 'deinstall ok config-files'
inside dpkg -P calf
! [ -e /wpars/base/etc/calf.conf ]
rm /wpars/base/srv/said
END

check MINBASE0004 'a script that fails leaves its package unconfigured, and it is configured later' <<'END'
inside bash /srv/package goat 1.0
touch /wpars/base/srv/refuse-postinst
! inside dpkg -i /srv/repository/goat_1.0_all.deb
test "$(inside dpkg-query -W -f '${Status}' goat)" = 'install ok half-configured'
! inside apt-get -q check
rm /wpars/base/srv/refuse-postinst
inside dpkg --configure goat
test "$(inside dpkg-query -W -f '${Status}' goat)" = 'install ok installed'
touch /wpars/base/srv/refuse-prerm
! inside dpkg -r goat
rm /wpars/base/srv/refuse-prerm
inside dpkg -P goat
rm /wpars/base/srv/said
END

check MINBASE0005 'two of dpkg do not work at once, and one that is killed can be repaired' <<'END'
inside bash /srv/package slow 1.0
sed -i 's/^test.*/touch \/srv\/begun; sleep 1000/' /wpars/base/srv/build/slow/DEBIAN/postinst
inside dpkg-deb --build --root-owner-group /srv/build/slow /srv/repository
inside dpkg -i /srv/repository/slow_1.0_all.deb >said 2>&1 & first=$!
until [ -e /wpars/base/srv/begun ]; do usleep 20000; done
! inside dpkg -P slow 2>second
grep -q 'lock' second
inside sh -c 'kill -KILL $(pidof dpkg)'
! wait $first
inside sh -c 'kill -KILL $(pidof sleep)' || true
test "$(inside dpkg-query -W -f '${Status}' slow)" = 'install ok half-configured'
sed -i '/sleep/d' /wpars/base/var/lib/dpkg/info/slow.postinst
inside dpkg --configure -a
test "$(inside dpkg-query -W -f '${Status}' slow)" = 'install ok installed'
inside dpkg -P slow
END

check MINBASE0006 'the memory of the RAM disk, which is hundreds of megabytes, is free once its files are there' <<'END'
[ "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)" -gt $((3 * 1024 * 1024 - 32 * 1024)) ]
