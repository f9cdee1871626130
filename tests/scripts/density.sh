# As many partitions as there can be, and what each costs. Instructions are counted, so the figures are the same everywhere.
# time: counted
# patience: 600

check DENSITY0001 '8192 partitions with a sleeping process each are there at once' <<'END'
$T/partitions density 8192 $T/tiny_pause >/tmp/most
grep -q '^@ density_8192_living n 8192[.]' /tmp/most
END

check DENSITY0002 'each takes less than 110 KiB of memory with everything that the kernel keeps for it' <<'END'
awk '$2 == "density_8192_memory_each" { print; found = 1; exit !($4 > 0 && $4 < 110) } END { if (!found) exit 1 }' /tmp/most
END

check DENSITY0003 'they are created in less than 30 s' <<'END'
awk '$2 == "density_8192_create_all" { print; found = 1; exit !($4 > 0 && $4 < 30) } END { if (!found) exit 1 }' /tmp/most
END

check DENSITY0004 'they are all removed, and only tables that have grown with their number keep memory, 3 KiB for each' <<'END'
awk '$2 == "density_8192_memory_kept" { print; found = 1; exit !($4 < 24576) } END { if (!found) exit 1 }' /tmp/most
lswpar >list
! grep -q '^p[0-9]' list
END

check DENSITY0005 'once the tables have grown, every frame is back' <<'END'
echo >/tmp/some
before=$(free_memory)
$T/partitions density 500 $T/tiny_pause >/tmp/some
# Processes that have just run have translation tables for a second more.
tries=0
until [ $(($(free_memory) + 16)) -ge $before ]; do
	tries=$((tries + 1))
	[ $tries -lt 20 ]
	sleep 1
done
END

check DENSITY0006 'to create and to remove one of 8192 costs at most half as much again as one of 500' <<'END'
cat /tmp/some /tmp/most | awk '
	{ sub(/density_[0-9]+_/, "", $2); if (seen[$2]++) most[$2] = $4; else some[$2] = $4 }
	END {
		print some["create_each"], most["create_each"], some["remove_each"], most["remove_each"]
		exit !(most["create_each"] < 1.5 * some["create_each"] && most["remove_each"] < 1.5 * some["remove_each"] + 100)
	}'
END
