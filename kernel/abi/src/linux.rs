//! Numbers and layouts of the Linux ppc64le user interface (`man 2 syscalls`, asm/unistd.h of powerpc).
