# Programs that want to break the kernel, each from inside a partition.
# cpus: 2

check HOSTILE0001 'every call number with hostile arguments leaves the kernel and a computing neighbour alive' <<'END'
mkwpar -n enemy -R memory=0%-25%,25% totalProcesses=128
mkwpar -n victim
startwpar victim
clogin victim sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; echo $i >/tmp/sum' & victim=$!
startwpar enemy
cp $T/hostile /wpars/enemy/tmp/hostile
clogin enemy /tmp/hostile calls
wait $victim
test "$(cat /wpars/victim/tmp/sum)" -eq 200000
stopwpar -F enemy
stopwpar -F victim
rmwpar enemy
rmwpar victim
test -z "$(lswpar -q)"
END

check HOSTILE0002 'privileged, reserved and random instructions leave the kernel alive' <<'END'
mkwpar -n enemy -R memory=0%-25%,25% totalProcesses=128
startwpar enemy
cp $T/hostile /wpars/enemy/tmp/hostile
clogin enemy /tmp/hostile instructions
stopwpar -F enemy
rmwpar enemy
test -z "$(lswpar -q)"
END

check HOSTILE0003 'every special register, read and written, leaves the kernel alive' <<'END'
mkwpar -n enemy -R memory=0%-25%,25% totalProcesses=128
startwpar enemy
cp $T/hostile /wpars/enemy/tmp/hostile
clogin enemy /tmp/hostile registers
stopwpar -F enemy
rmwpar enemy
test -z "$(lswpar -q)"
END
