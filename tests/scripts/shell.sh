# The shell and the standard utilities.

check SHELL0001 'a pipeline hands text from program to program' <<'END'
test "$(echo hello | tr a-z A-Z | rev)" = OLLEH
test "$(seq 1 1000 | sort -rn | head -n 3 | tr '\n' ' ')" = '1000 999 998 '
END

check SHELL0002 'the status of a pipeline is that of its last program' <<'END'
false | true
! true | false
(exit 3) || test $? -eq 3
END

check SHELL0003 'here-documents are expanded, or not when quoted' <<'END'
name=value
cat >out <<TEXT
$name $((1 + 2))
TEXT
test "$(cat out)" = 'value 3'
cat >out <<'TEXT'
$name
TEXT
test "$(cat out)" = '$name'
END

check SHELL0004 'a here-document of 200 KB arrives whole' <<'END'
{ echo 'cat <<TEXT'; seq 1 30000; echo TEXT; } >script
sh ./script >out
test "$(wc -l <out)" -eq 30000
test "$(tail -n 1 out)" = 30000
END

check SHELL0005 'a subshell changes nothing outside' <<'END'
x=1
(x=2; cd /; exit 0)
test $x = 1
test "$(pwd)" = /tmp/test
END

check SHELL0006 'redirections append, truncate, duplicate and close' <<'END'
echo one >file
echo two >>file
test "$(cat file)" = "one
two"
sh -c 'echo out; echo err >&2' >both 2>&1
test "$(wc -l <both)" -eq 2
exec 5>five
echo hi >&5
exec 5>&-
test "$(cat five)" = hi
! (echo x >&5) 2>/dev/null
set -C
! (echo x >five) 2>/dev/null
END

check SHELL0007 'functions, loops, case and arithmetic' <<'END'
power() { result=1; i=0; while [ $i -lt $2 ]; do result=$((result * $1)); i=$((i + 1)); done; }
power 3 20
test $result -eq 3486784401
case file.txt in *.sh) exit 1 ;; f*.t?t) ;; *) exit 1 ;; esac
for word in a b c; do all=$all$word; done
test $all = abc
test $((0x7fffffffffffffff)) -eq 9223372036854775807
END

check SHELL0008 'patterns match names' <<'END'
touch a1 a2 b1 .hidden 'with space'
set -- a*; test "$*" = 'a1 a2'
set -- ?1; test "$*" = 'a1 b1'
set -- [!a]*; test $# -eq 2
set -- *; test $# -eq 4
set -- none*; test "$1" = 'none*'
END

check SHELL0009 'a command substitution takes a megabyte' <<'END'
text=$(head -c 1000000 /dev/zero | tr '\0' x)
test ${#text} -eq 1000000
END

check SHELL0010 'traps run on signals and at the exit' <<'END'
sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after' >out
test "$(cat out)" = "caught
after"
sh -c 'trap "echo bye" EXIT; exit 4' >out || test $? -eq 4
test "$(cat out)" = bye
sh -c 'trap "" TERM; kill -TERM $$; exit 6' || test $? -eq 6
END

check SHELL0011 'wait gives the statuses of jobs' <<'END'
(exit 3) & first=$!
(exit 4) & second=$!
wait $second || test $? -eq 4
wait $first || test $? -eq 3
sleep 100 & kill $!; wait $! || test $? -eq 143
sleep 100 & kill -9 $!; wait $! || test $? -eq 137
END

check SHELL0012 'many jobs at once all end' <<'END'
for i in $(seq 1 50); do echo $i >job$i & done
wait
test "$(cat job* | sort -n | tail -n 1)" -eq 50
test "$(ls job* | wc -l)" -eq 50
END

check SHELL0013 'exec replaces the shell' <<'END'
test "$(sh -c 'exec echo done; echo not')" = done
sh -c 'exec /no/such' 2>/dev/null || test $? -eq 127
END

check SHELL0014 'programs that are missing or not executable give 127 and 126' <<'END'
/no/such 2>/dev/null || test $? -eq 127
no-such-command 2>/dev/null || test $? -eq 127
echo text >plain
./plain 2>/dev/null || test $? -eq 126
/ 2>/dev/null || test $? -eq 126
END

check SHELL0015 '#! scripts get their interpreter, its argument and their own' <<'END'
printf '#!/bin/sh\necho "$0:$1:$#"\n' >script
chmod +x script
test "$(./script 'a b' c)" = './script:a b:2'
printf '#!/usr/bin/awk -f\nBEGIN { print 6 * 7 }\n' >script
test "$(./script)" = 42
printf '#! /bin/sh -e \nfalse\n' >script
./script && exit 1
printf '#!/tmp/test/inner\n' >script
printf '#!/bin/sh\necho inner "$1"\n' >inner
chmod +x inner
test "$(./script)" = 'inner ./script'
END

check SHELL0016 'a megabyte through three pipes is unharmed' <<'END'
seq 1 150000 >in
cat in | cat | cat >out
cmp in out
test "$(cat in | md5sum)" = "$(md5sum <in)"
END

check SHELL0017 'a reader that leaves early ends the writer' <<'END'
test "$(yes | head -n 1)" = y
seq 1 1000000 | head -n 5 >out
test "$(wc -l <out)" -eq 5
END

check SHELL0018 'named pipes connect programs' <<'END'
mkfifo pipe
echo through >pipe &
read line <pipe
wait
test "$line" = through
test -p pipe
END

check SHELL0019 'read splits, times out and ends' <<'END'
printf 'a b c\nlast' >file
{ read x y; read z && exit 1; test "$x/$y/$z" = 'a/b c/last'; } <file
sleep 3 | { read -t 1 none && exit 1; true; }
END

check SHELL0020 'set -e and set -u end a script' <<'END'
sh -ec 'false; exit 0' && exit 1
sh -uc 'echo $unset; exit 0' 2>/dev/null && exit 1
true
END

check SHELL0021 'signals reach the programs they are sent to' <<'END'
sh -c 'kill -TERM $$' || test $? -eq 143
sh -c 'kill -SEGV $$' || test $? -eq 139
sh -c 'kill -USR1 $$' || test $? -eq 138
sh -c 'kill -CHLD $$'
kill -0 $$
! kill -0 999999 2>/dev/null
END

check SHELL0022 'ulimit shows and sets limits' <<'END'
test "$(ulimit -n)" -ge 256
sh -c 'ulimit -n 16; test "$(ulimit -n)" -eq 16'
END

check SHELL0023 'umask makes modes' <<'END'
umask 027
touch file
mkdir folder
test "$(stat -c %a file)" = 640
test "$(stat -c %a folder)" = 750
END

check SHELL0024 'times of jobs are measured' <<'END'
time -p true 2>out
grep -q '^real' out
END

check SHELL0025 'a script of ten thousand lines runs' <<'END'
seq 1 10000 | sed 's/.*/x=$((x + &))/' >script
echo 'echo $x' >>script
test "$(sh ./script)" = 50005000
END
