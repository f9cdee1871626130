# A short session of the fuzzer of system calls; `cargo xtask fuzz` runs long ones.
# cpus: 2
# patience: 120

check FUZZ0001 'programs that make any call with any argument disturb nobody, and all memory comes back' <<'END'
$T/fuzz session --seed 1 --calls 16000 --warm 1
END
