# Standard utilities that read and write text and files.

check TOOLS0001 'awk computes over fields' <<'END'
seq 1 100 | awk '{ s += $1; q += $1 * $1 } END { printf "%d %d %.3f\n", s, q, q / s }' >out
test "$(cat out)" = '5050 338350 67.000'
printf 'b 2\na 1\nb 3\n' | awk '{ sum[$1] += $2 } END { for (k in sum) print k, sum[k] }' | sort >out
test "$(cat out)" = "a 1
b 5"
END

check TOOLS0002 'sed edits streams and files' <<'END'
printf 'one\ntwo\nthree\n' >file
test "$(sed -n '2p' file)" = two
test "$(sed 's/\(t\)\([a-z]*\)/\2\1/' file | tail -n 1)" = hreet
sed -i '/two/d; s/e$/E/' file
test "$(cat file)" = "onE
threE"
END

check TOOLS0003 'find walks trees' <<'END'
mkdir -p a/b/c
touch a/1.txt a/b/2.txt a/b/c/3.log
test "$(find a -name '*.txt' | sort)" = "a/1.txt
a/b/2.txt"
test "$(find a -type d | wc -l)" -eq 3
test "$(find a -type f -exec echo {} + | wc -w)" -eq 3
find a -name '*.log' -exec rm {} \;
test ! -e a/b/c/3.log
END

check TOOLS0004 'sort sorts by numbers, keys and without doubles' <<'END'
printf '10\n9\n100\n9\n' >file
test "$(sort -n file | tr '\n' ' ')" = '9 9 10 100 '
test "$(sort -nu file | wc -l)" -eq 3
printf 'x:2\ny:1\n' | sort -t: -k2n >out
test "$(head -n 1 out)" = y:1
END

check TOOLS0005 'sort orders twenty thousand lines' <<'END'
seq 1 20000 | awk '{ print ($1 * 7919) % 20011 }' | sort -n >out
sort -nc out
test "$(wc -l <out)" -eq 20000
END

check TOOLS0006 'tar packs and unpacks with modes, links and times' <<'END'
mkdir -p tree/sub
echo data >tree/file
chmod 640 tree/file
ln -s file tree/link
touch -d '2020-01-02 03:04:05' tree/sub
tar -cf pack.tar tree
mkdir there
tar -xf pack.tar -C there
test "$(cat there/tree/link)" = data
test "$(stat -c %a there/tree/file)" = 640
test "$(readlink there/tree/link)" = file
test "$(stat -c %Y tree/sub)" = "$(stat -c %Y there/tree/sub)"
END

check TOOLS0007 'gzip and gunzip give back what they got' <<'END'
seq 1 20000 >file
gzip -c file >file.gz
test "$(wc -c <file.gz)" -lt "$(wc -c <file)"
gunzip -c file.gz | cmp - file
END

check TOOLS0008 'grep finds by patterns' <<'END'
printf 'alpha\nbeta\ngamma\n' >file
test "$(grep -c a file)" -eq 3
test "$(grep -v '^a' file | wc -l)" -eq 2
test "$(grep -E '(al|ga)' file | tr '\n' ' ')" = 'alpha gamma '
grep -q delta file && exit 1
test "$(grep -rl beta .)" = ./file
END

check TOOLS0009 'cut, paste, tr, uniq, wc, head, tail, od' <<'END'
test "$(echo a:b:c | cut -d: -f2)" = b
printf '1\n1\n2\n' | uniq -c | awk '{ print $1 }' | tr '\n' ' ' >out
test "$(cat out)" = '2 1 '
test "$(seq 1 10 | tail -n 3 | head -n 1)" = 8
test "$(printf 'ab' | od -An -tx1 | tr -d ' ')" = 6162
printf 'a\nb\n' >one; printf '1\n2\n' >two
test "$(paste one two | tail -n 1)" = "$(printf 'b\t2')"
END

check TOOLS0010 'checksums of known text' <<'END'
test "$(printf abc | md5sum | cut -c1-32)" = 900150983cd24fb0d6963f7d28e17f72
test "$(printf abc | sha256sum | cut -c1-16)" = ba7816bf8f01cfea
END

check TOOLS0011 'dd copies blocks' <<'END'
dd if=/dev/zero of=file bs=1k count=100 2>/dev/null
test "$(wc -c <file)" -eq 102400
printf x | dd of=file bs=1 seek=50000 conv=notrunc 2>/dev/null
test "$(dd if=file bs=1 skip=50000 count=1 2>/dev/null)" = x
test "$(wc -c <file)" -eq 102400
END

check TOOLS0012 'cp, mv, ln and rm handle trees' <<'END'
mkdir -p a/b
echo x >a/b/f
cp -a a c
mv c d
test "$(cat d/b/f)" = x
ln a/b/f hard
test "$(stat -c %h hard)" = 2
test "$(stat -c %i hard)" = "$(stat -c %i a/b/f)"
rm -r a
test "$(cat hard)" = x
test ! -e a
END

check TOOLS0013 'date knows this century and prints what it is asked' <<'END'
test "$(date +%Y)" -ge 2024
test "$(date -u -d @86400 +%Y-%m-%dT%H:%M:%S)" = 1970-01-02T00:00:00
test "$(date +%s)" -gt 1700000000
END

check TOOLS0014 'sleep sleeps at least as long as it is told' <<'END'
before=$(awk '{ print int($1 * 100) }' /proc/uptime)
sleep 0.3
after=$(awk '{ print int($1 * 100) }' /proc/uptime)
test $((after - before)) -ge 29
END

check TOOLS0015 'xargs runs programs over words' <<'END'
test "$(seq 1 100 | xargs -n 10 echo | wc -l)" -eq 10
test "$(seq 1 3 | xargs -I{} echo x{} | tr '\n' ' ')" = 'x1 x2 x3 '
END

check TOOLS0016 'bc and dc calculate' <<'END'
test "$(echo '2 ^ 64' | bc)" = 18446744073709551616
test "$(echo '10 3 / p' | dc)" = 3
END

check TOOLS0017 'diff and patch' <<'END'
seq 1 20 >old
sed 's/^7$/seven/' old >new
diff -u old new >change && exit 1
patch old <change >/dev/null
cmp old new
END

check TOOLS0018 'a cpio archive made here is read here' <<'END'
mkdir in; echo text >in/f
find in | cpio -o -H newc >a.cpio 2>/dev/null
mkdir out; cd out
cpio -i <../a.cpio 2>/dev/null
test "$(cat in/f)" = text
END

check TOOLS0019 'random bytes are random and null is nothing' <<'END'
head -c 16 /dev/urandom | od -An -tx1 >one
head -c 16 /dev/urandom | od -An -tx1 >two
! cmp -s one two
test "$(wc -c </dev/null)" -eq 0
echo x >/dev/null
test "$(head -c 100 /dev/zero | tr -d '\0' | wc -c)" -eq 0
! echo x 2>/dev/null >/dev/full
END

check TOOLS0020 'timeout ends what takes too long' <<'END'
timeout 1 sleep 100 && exit 1
timeout 10 true
END
