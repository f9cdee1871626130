# The RAM file system, devices and permissions.

check FILES0001 'files are made, read, renamed, removed' <<'END'
echo text >a
mv a b
test "$(cat b)" = text
test ! -e a
rm b
! cat b 2>/dev/null
END

check FILES0002 'a folder that holds something cannot be removed' <<'END'
mkdir -p d/e
! rmdir d 2>/dev/null
rmdir d/e d
! rmdir missing 2>/dev/null
touch f
! rmdir f 2>/dev/null
END

check FILES0003 'rename replaces files and refuses nonsense' <<'END'
echo 1 >a; echo 2 >b
mv a b
test "$(cat b)" = 1
mkdir d
! mv d d/inside 2>/dev/null
mkdir e; touch e/f
mv d moved
test -d moved
END

check FILES0004 'links count, and loops are refused' <<'END'
echo x >f
ln f g; ln f h
test "$(stat -c %h f)" = 3
rm f g
test "$(cat h)" = x
ln -s loop loop
! cat loop 2>/dev/null
mkdir d
! ln d e 2>/dev/null
ln -s missing dangling
test -L dangling
test ! -e dangling
END

check FILES0005 'an open file lives on after it is removed' <<'END'
echo kept >f
exec 6<f
rm f
test "$(cat <&6)" = kept
exec 6<&-
END

check FILES0006 'a sparse file reads as zeros and costs nothing' <<'END'
before=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
truncate -s 1G sparse
test "$(stat -c %s sparse)" -eq 1073741824
test "$(tail -c 10 sparse | tr -d '\0' | wc -c)" -eq 0
after=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
test $((before - after)) -lt 10000
END

check FILES0007 'a thousand files in one folder' <<'END'
i=0; while [ $i -lt 1000 ]; do : >f$i; i=$((i + 1)); done
test "$(ls | wc -l)" -eq 1000
rm f*
test "$(ls | wc -l)" -eq 0
END

check FILES0008 'names up to 255 bytes, paths up to 4095' <<'END'
name=$(head -c 255 /dev/zero | tr '\0' n)
echo long >$name
test "$(cat $name)" = long
! touch ${name}x 2>/dev/null
END

check FILES0009 'permissions bind users that are not root' <<'END'
chmod 711 .
echo secret >f; chmod 600 f
echo open >g; chmod 644 g
cat >try <<'TRY'
! cat f 2>/dev/null && test "$(cat g)" = open && ! (echo x >g) 2>/dev/null && ! rm g 2>/dev/null && ! touch new 2>/dev/null
TRY
chmod 644 try
if grep -q '^su$' <<LIST
$(busybox --list)
LIST
then su nobody -s /bin/sh -c 'sh ./try' 2>/dev/null || setuidgid nobody sh ./try; fi
END

check FILES0010 'a sticky folder protects what others own' <<'END'
test "$(stat -c %a /tmp)" = 1777
touch /tmp/roots
! su -s /bin/sh nobody -c 'rm -f /tmp/roots' 2>/dev/null
rm /tmp/roots
su -s /bin/sh nobody -c 'touch /tmp/theirs'
test "$(stat -c %U /tmp/theirs)" = nobody
rm /tmp/theirs
END

check FILES0011 'chown, chmod and touch change attributes' <<'END'
touch f
chown 12:34 f
chmod 4755 f
test "$(stat -c '%u %g %a' f)" = '12 34 4755'
touch -d '2001-02-03 04:05:06' f
test "$(stat -c %Y f)" = "$(date -d '2001-02-03 04:05:06' +%s)"
END

check FILES0012 'devices are where they should be' <<'END'
for device in null zero full random urandom tty console; do test -c /dev/$device; done
test "$(stat -c '%t %T' /dev/null)" = '1 3'
END

check FILES0013 'every standard folder is there' <<'END'
for folder in / /usr/bin /usr/sbin /usr/lib/wpars /opt /var/adm/wpars /tmp /home /admin /proc /dev /wpars /etc/wpars /root; do
	test -d $folder
done
test "$(readlink /bin)" = usr/bin
test "$(stat -c %a /wpars)" = 700
END

check FILES0014 'a full memory gives an error, and goes on' <<'END'
! dd if=/dev/zero of=big bs=1M count=2000 2>/dev/null
rm big
head -c 1000000 /dev/zero >small
test "$(wc -c <small)" -eq 1000000
END

check FILES0015 'writers that append do not overwrite each other' <<'END'
for i in 1 2 3 4; do (for j in $(seq 1 50); do echo "$i $j" >>log; done) & done
wait
test "$(wc -l <log)" -eq 200
test "$(sort -u log | wc -l)" -eq 200
END

check FILES0016 'df and mount answer' <<'END'
df / | grep -q ' /$'
mount | grep -q 'on /proc type proc'
END

check FILES0017 'extended attributes belong to the file, and are named as Linux names them' <<'END'
$T/files attributes
rm -f *
$T/files attribute-names
END

check FILES0018 'user attributes go with the mode bits, trusted ones with the administrator' <<'END'
$T/files attributes-of-others
END

check FILES0019 'attributes are there in a partition, and not on files that are generated' <<'END'
mkwpar -n marks
startwpar marks
clogin marks sh -c "cd /tmp && mkdir m && cd m && $T/files attributes"
test "$(ls -l /proc/self/ /sys | grep -c 'not implemented')" = 0
stopwpar -F marks
rmwpar marks
END

check FILES0020 'ranges are copied between files, at positions or at offsets' <<'END'
$T/files copy-range
rm -f *
$T/files copy-range-errors
rm -f *
$T/files send
END

check FILES0021 'memfd_create makes files that never have a name, and descriptors lead to them' <<'END'
$T/nameless anonymous shared-by-mapping
END

check FILES0022 'seals keep a file as it is, whatever maps it and in whichever process' <<'END'
$T/nameless size-seals
$T/nameless write-seal
$T/nameless future-write-seal
$T/nameless execute-seal
END

check FILES0023 'O_TMPFILE makes a file without a name, which it can be given once' <<'END'
chmod 777 .
$T/nameless temporary
END

check FILES0024 'files without names are there in a partition, and charged to it' <<'END'
mkwpar -n names
startwpar names
clogin names sh -c "cd /tmp && mkdir m && cd m && $T/nameless anonymous write-seal"
stopwpar -F names
rmwpar names
END

check FILES0025 'who watches a directory and a file is told what is done to the contents' <<'END'
$T/inotify contents
END

check FILES0026 'a watch tells of changes to metadata' <<'END'
$T/inotify metadata
END

check FILES0027 'a watched directory tells of names that come, go and move, with a cookie for both halves' <<'END'
$T/inotify names
END

check FILES0028 'a watch ends with its file, which is when nobody has it open any more' <<'END'
$T/inotify end
END

check FILES0029 'watches that fire once, are added to, replaced, ended, and leave out unlinked names' <<'END'
$T/inotify manners
END

check FILES0030 'what inotify cannot do is refused as the manual page says' <<'END'
$T/inotify refused
END

check FILES0031 'epoll, poll and FIONREAD of an inotify instance' <<'END'
$T/inotify waiting
END

check FILES0032 'events that are the same are one, and those that are lost are told' <<'END'
$T/inotify overflow
END

check FILES0650 'a file is opened before it is changed by that' <<'END'
$T/inotify truncated
END

check FILES0033 'inotify instances are counted, and their places come back' <<'END'
$T/inotify limits
END

check FILES0034 'a partition that watches a file of all is not told who else looks at it' <<'END'
mkwpar -n watcher
startwpar watcher
mkfifo go
clogin watcher sh -c "cd /tmp && $T/inotify others" <go >told 2>&1 &
watcher=$!
exec 8>go
until grep -q watching told; do kill -0 $watcher; done
/usr/bin/busybox true
echo >&8
exec 8>&-
wait $watcher
stopwpar -F watcher
rmwpar watcher
END

check FILES0035 'openat2 stays below the directory that it starts from' <<'END'
$T/restricted beneath
END

check FILES0036 'openat2 takes that directory for the root' <<'END'
$T/restricted in-root
END

check FILES0037 'openat2 follows no links that it must not' <<'END'
$T/restricted links
END

check FILES0038 'openat2 stays in one mount' <<'END'
$T/restricted crossing
END

check FILES0039 'openat2 refuses what it does not know' <<'END'
$T/restricted arguments
wparexec -n walks $T/restricted arguments
END

check FILES0040 'the flags of preadv2 and pwritev2 hold' <<'END'
$T/files transfer-flags
END

check FILES0400 'files get memory in advance and holes afterwards, mapped or not' <<'END'
$T/files holes
END

check FILES0401 'files are made beside devices, each environment its own' <<'END'
cat >inside <<'TEXT'
set -e
syslogd -O /tmp/messages
logger -t me hello
n=0; until grep -q 'me: hello' /tmp/messages; do n=$((n + 1)); test $n -lt 1000; done
test -S /dev/log
mkdir /dev/d; echo text >/dev/d/f; mv /dev/d/f /dev/g; ln -s g /dev/h; test "$(cat /dev/h)" = text
ls /dev | grep -q '^g$'
! rm /dev/null 2>/dev/null
! mv /dev/g /dev/null 2>/dev/null
! su -s /bin/sh nobody -c 'touch /dev/x' 2>/dev/null; test ! -e /dev/x
rm -r /dev/d /dev/g /dev/h
TEXT
mkwpar -n beside
startwpar beside
cp inside /wpars/beside/tmp/inside
clogin beside sh /tmp/inside
test ! -e /dev/log
stopwpar -F beside
rmwpar beside
END

check FILES0402 'pipes and sockets keep an owner and a mode of their own' <<'END'
$T/files owners
END

check CALLS0900 'to map a file is an access to it' <<'END'
$T/files mapping-time
END
