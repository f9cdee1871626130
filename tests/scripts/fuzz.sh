# The fuzzer of system calls for a short time, with seeds that are always the same: four partitions full of programs that make
# any call with any argument, a fifth that must not notice. `cargo xtask fuzz` does so for long, with other seeds.
# cpus: 2

check FUZZ0001 'any call with any argument leaves kernel, memory and a computing neighbour as they were' <<'END'
$T/fuzz session --seed 1 --calls 8000
END
