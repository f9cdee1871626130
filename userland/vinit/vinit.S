// vinit: process 1 of an application WPAR.
//
// Called as `vinit FRAME PROGRAM [ARGUMENT ...]`. FRAME is a request to enter a WPAR as its process 1, in lower-case
// hexadecimal digits: what is to be written to /dev/corral (kernel/control). So a WPAR costs one exec and not two.
// Then it runs PROGRAM, an absolute path, with the arguments and the environment
// that it got, reaps every process of the WPAR, and when none is left exits with PROGRAM's status, or with
// 128 and the number of the signal that ended it. Exits with 127 when there is no PROGRAM, 126 when it cannot be
// executed or the WPAR cannot be entered, which is said on standard error.
//
// No libc, no writable data, one page of text, one page of stack: there may be 8192 of these. All signals are
// blocked for its whole life, so that a Ctrl-C meant for PROGRAM does not end the WPAR before PROGRAM
// has ended; PROGRAM gets the signal mask that vinit got.
//
// Linux system calls on powerpc64: number in r0, arguments in r3 to r8, result in r3, error when cr0.SO is set;
// r14 to r31 are preserved. At entry r1 points to argc, followed by argv, 0, envp, 0 (ELFv2 ABI, 4.1).
//
// Registers: r14 argv + 2, r15 envp, r18 the control file, then free; r16 pid of PROGRAM, r17 its status as wait4 gave it.

#define SYS_read 3
#define SYS_write 4
#define SYS_open 5
#define SYS_close 6
#define SYS_execve 11
#define SYS_wait4 114
#define SYS_clone 120
#define SYS_rt_sigprocmask 174
#define SYS_exit_group 234

#define SIG_BLOCK 0
#define SIG_SETMASK 2
#define ENOENT 2
#define EINTR 4
#define O_RDWR_CLOEXEC 02000002

// CLONE_VFORK | CLONE_VM | SIGCHLD: PROGRAM's exec ends the sharing, nothing is copied.
#define VFORK_FLAGS 0x4111

// A request to enter has at most 2 + 1 + 3 + 10 + 1 bytes. In a reply the byte behind the version is 0 for an answer.
#define REQUEST_LIMIT 32
#define REPLY_SIZE 64
#define REPLY_KIND 2

// The stack frame: old signal mask, full signal mask, status, request, reply.
#define FRAME 160
#define OLD_MASK 32
#define ALL_MASK 40
#define STATUS 48
#define REQUEST 56
#define REPLY 88

    .abiversion 2
    .machine power8
    .section .text
    .globl _start
    .type _start, @function
_start:
    ld 3, 0(1)                  // argc
    addi 14, 1, 24              // argv + 2
    sldi 4, 3, 3
    add 15, 1, 4
    addi 15, 15, 16             // envp: behind argc, argv and its 0
    stdu 1, -FRAME(1)
    li 17, 0x7f00               // status 127, should nobody have one
    cmpdi 3, 3
    blt finish

// Digits to bytes: r4 next digit, r5 next byte, r6 bytes left.
    ld 4, -8(14)
    addi 5, 1, REQUEST
    li 6, REQUEST_LIMIT
digits:
    lbz 7, 0(4)
    cmpdi 7, 0
    beq enter
    cmpdi 6, 0
    beq cannot_enter
    lbz 8, 1(4)
    cmpdi 8, 0
    beq cannot_enter
    cmpdi 7, 'a'
    addi 7, 7, -'0'
    blt 1f
    addi 7, 7, '0' - 'a' + 10
1:  cmpdi 8, 'a'
    addi 8, 8, -'0'
    blt 2f
    addi 8, 8, '0' - 'a' + 10
2:  sldi 7, 7, 4
    or 7, 7, 8
    stb 7, 0(5)
    addi 4, 4, 2
    addi 5, 5, 1
    addi 6, 6, -1
    b digits

enter:
    addi 19, 1, REQUEST
    subf 19, 19, 5              // length of the request
    lis 3, device@ha
    addi 3, 3, device@l
    lis 4, O_RDWR_CLOEXEC@h
    ori 4, 4, O_RDWR_CLOEXEC@l
    li 5, 0
    li 0, SYS_open
    sc
    bso cannot_enter
    mr 18, 3
    addi 4, 1, REQUEST
    mr 5, 19
    li 0, SYS_write
    sc
    bso cannot_enter
    mr 3, 18
    addi 4, 1, REPLY
    li 5, REPLY_SIZE
    li 0, SYS_read
    sc
    bso cannot_enter
    cmpdi 3, REPLY_KIND
    ble cannot_enter
    lbz 4, REPLY + REPLY_KIND(1)
    cmpdi 4, 0
    bne cannot_enter
    mr 3, 18
    li 0, SYS_close
    sc

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

cannot_enter:
    li 3, 2
    lis 4, complaint@ha
    addi 4, 4, complaint@l
    li 5, complaint_end - complaint
    li 0, SYS_write
    sc
    b cannot_execute
    .size _start, . - _start

device:
    .asciz "/dev/corral"
complaint:
    .ascii "vinit: cannot enter the workload partition\n"
complaint_end:

    .section .note.GNU-stack, "", @progbits
