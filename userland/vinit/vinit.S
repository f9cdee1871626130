// vinit: process 1 of an application WPAR.
//
// Called as `vinit PROGRAM [ARGUMENT ...]`. Runs PROGRAM, an absolute path, with the arguments and the environment
// that it got, reaps every process of the WPAR, and when none is left exits with PROGRAM's status, or with
// 128 and the number of the signal that ended it. Exits with 127 when there is no PROGRAM, 126 when it cannot be
// executed.
//
// No libc, no writable data, one page of text, one page of stack: there may be 8192 of these. All signals are
// blocked for its whole life, so that a Ctrl-C meant for PROGRAM does not end the WPAR before PROGRAM
// has ended; PROGRAM gets the signal mask that vinit got.
//
// Linux system calls on powerpc64: number in r0, arguments in r3 to r8, result in r3, error when cr0.SO is set;
// r14 to r31 are preserved. At entry r1 points to argc, followed by argv, 0, envp, 0 (ELFv2 ABI, 4.1).
//
// Registers: r14 argv + 1, r15 envp, r16 pid of PROGRAM, r17 its status as wait4 gave it.

#define SYS_execve 11
#define SYS_wait4 114
#define SYS_clone 120
#define SYS_rt_sigprocmask 174
#define SYS_exit_group 234

#define SIG_BLOCK 0
#define SIG_SETMASK 2
#define ENOENT 2
#define EINTR 4

// CLONE_VFORK | CLONE_VM | SIGCHLD: PROGRAM's exec ends the sharing, nothing is copied.
#define VFORK_FLAGS 0x4111

// The frame: old signal mask, full signal mask, status.
#define FRAME 64
#define OLD_MASK 32
#define ALL_MASK 40
#define STATUS 48

    .abiversion 2
    .machine power8
    .section .text
    .globl _start
    .type _start, @function
_start:
    ld 3, 0(1)                  // argc
    addi 14, 1, 16              // argv + 1
    sldi 4, 3, 3
    add 15, 1, 4
    addi 15, 15, 16             // envp: behind argc, argv and its 0
    stdu 1, -FRAME(1)
    li 17, 0x7f00               // status 127, should nobody have one
    cmpdi 3, 2
    blt finish

    li 5, -1
    std 5, ALL_MASK(1)
    li 3, SIG_BLOCK
    addi 4, 1, ALL_MASK
    addi 5, 1, OLD_MASK
    li 6, 8
    li 0, SYS_rt_sigprocmask
    sc

    li 3, VFORK_FLAGS
    li 4, 0                     // the same stack: the child writes nothing above r1
    li 5, 0
    li 6, 0
    li 7, 0
    li 0, SYS_clone
    sc
    bso cannot_execute
    cmpdi 3, 0
    beq child
    mr 16, 3

reap:
    li 3, -1
    addi 4, 1, STATUS
    li 5, 0
    li 6, 0
    li 0, SYS_wait4
    sc
    bso wait_failed
    cmpd 3, 16
    bne reap
    lwz 17, STATUS(1)
    b reap

wait_failed:
    cmpdi 3, EINTR
    beq reap                    // ECHILD else: nobody is left

finish:
    andi. 4, 17, 0x7f
    beq exited
    addi 3, 4, 128
    b exit
exited:
    rldicl 3, 17, 56, 56        // bits 8 to 15
exit:
    li 0, SYS_exit_group
    sc
    trap

child:
    li 3, SIG_SETMASK
    addi 4, 1, OLD_MASK
    li 5, 0
    li 6, 8
    li 0, SYS_rt_sigprocmask
    sc
    ld 3, 0(14)
    mr 4, 14
    mr 5, 15
    li 0, SYS_execve
    sc
    cmpdi 3, ENOENT
    li 3, 127
    beq exit
cannot_execute:
    li 3, 126
    b exit
    .size _start, . - _start

    .section .note.GNU-stack, "", @progbits
