/*
 * Code of the kernel's that runs in programs: clocks, the CPU's number, the way back from signal handlers.
 *
 * The functions are called like those of C (OpenPOWER ELFv2 ABI) and answer as system calls do: r3 is the value or an
 * error number, CR0[SO] tells which. What they cannot answer they ask the kernel. They use registers that calls may
 * change, read the page of data behind the code (`Clocks` in lib.rs), and have no stack frame.
 */

#define CLOCKS_SEQUENCE     0
#define CLOCKS_FREQUENCY    8
#define CLOCKS_MONOTONIC    16
#define CLOCKS_REALTIME     40

#define CLOCK_START         0
#define CLOCK_SECONDS       8
#define CLOCK_NANOSECONDS   16

/* Bits of the clocks that are read here, by their numbers: REALTIME 0, MONOTONIC 1, MONOTONIC_RAW 4,
   REALTIME_COARSE 5, MONOTONIC_COARSE 6, BOOTTIME 7; and of those that show the wall clock. */
#define KNOWN_CLOCKS        0xf3
#define WALL_CLOCKS         0x21

#define SYS_gettimeofday    78
#define SYS_rt_sigreturn    172
#define SYS_clock_gettime   246
#define SYS_clock_getres    247

    .abiversion 2
    .text

.macro function name
    .global \name
    .type   \name, @function
    .balign 16
\name:
.endm

/* The address of the data. Writes \reg and r0. */
.macro clocks reg
    mflr    r0
    bcl     20, 31, 1f
1:  mflr    \reg
    mtlr    r0
    addi    \reg, \reg, clocks - 1b
.endm

/*
 * Reads a clock. In: r11 the data, r9 offset of the clock in it. Out: r5 seconds, r10 nanoseconds, r7 10^9.
 * Writes r0, r6, r8, r9, r12, CR0.
 *
 * The kernel makes the sequence odd while it changes a clock. The loads of the clock depend on the load of the
 * sequence before them, and the second load of the sequence on theirs: no barrier is needed.
 */
.macro read_clock
    add     r9, r9, r11
2:  ld      r0, CLOCKS_SEQUENCE(r11)
    andi.   r12, r0, 1
    bne-    2b
    xor     r12, r0, r0
    add     r8, r9, r12
    mfspr   r10, 268                    /* TB */
    ld      r6, CLOCK_START(r8)
    ld      r5, CLOCK_SECONDS(r8)
    ld      r7, CLOCK_NANOSECONDS(r8)
    ld      r12, CLOCKS_FREQUENCY(r11)
    xor     r8, r7, r7
    ldx     r8, r11, r8
    cmpld   r8, r0
    bne-    2b
    subf    r10, r6, r10
    divdu   r6, r10, r12                /* whole seconds since the start */
    mulld   r8, r6, r12
    subf    r10, r8, r10
    add     r5, r5, r6
    lis     r6, 1000000000 >> 16
    ori     r6, r6, 1000000000 & 0xffff
    mulld   r10, r10, r6                /* less than 2^61: the frequency is below 2^31 */
    divdu   r10, r10, r12
    add     r10, r10, r7
    cmpld   r10, r6
    mr      r7, r6
    blt     3f
    subf    r10, r6, r10
    addi    r5, r5, 1
3:
.endm

.macro succeed
    li      r3, 0
    crclr   3
    blr
.endm

/* Goes to \other when r3 is no clock that is read here. Writes r5, CR0. */
.macro unless_known other
    cmplwi  r3, 7
    bgt     \other
    li      r5, KNOWN_CLOCKS
    srd     r5, r5, r3
    andi.   r5, r5, 1
    beq     \other
.endm

/* int clock_gettime(clockid_t r3, struct timespec *r4) */
function __kernel_clock_gettime
    unless_known 5f
    clocks  r11
    li      r5, WALL_CLOCKS
    srd     r5, r5, r3
    andi.   r5, r5, 1
    li      r9, CLOCKS_MONOTONIC
    beq     4f
    li      r9, CLOCKS_REALTIME
4:  read_clock
    std     r5, 0(r4)
    std     r10, 8(r4)
    succeed
5:  li      r0, SYS_clock_gettime
    sc
    blr

/* int clock_getres(clockid_t r3, struct timespec *r4): nothing is coarser than a nanosecond to a program */
function __kernel_clock_getres
    unless_known 4f
    cmpdi   r4, 0
    beq     3f
    li      r5, 0
    li      r6, 1
    std     r5, 0(r4)
    std     r6, 8(r4)
3:  succeed
4:  li      r0, SYS_clock_getres
    sc
    blr

/* int gettimeofday(struct timeval *r3, struct timezone *r4): each may be null; the time zone is always that of UTC */
function __kernel_gettimeofday
    cmpdi   r4, 0
    beq     4f
    li      r5, 0
    std     r5, 0(r4)
4:  cmpdi   r3, 0
    beq     5f
    clocks  r11
    li      r9, CLOCKS_REALTIME
    read_clock
    li      r6, 1000
    divdu   r10, r10, r6
    std     r5, 0(r3)
    std     r10, 8(r3)
5:  succeed

/* time_t time(time_t *r3) */
function __kernel_time
    clocks  r11
    li      r9, CLOCKS_REALTIME
    read_clock
    cmpdi   r3, 0
    beq     4f
    std     r5, 0(r3)
4:  mr      r3, r5
    crclr   3
    blr

/* int getcpu(unsigned *r3, unsigned *r4): the kernel keeps the number in SPRG3, which programs read as 259 */
function __kernel_getcpu
    mfspr   r5, 259
    li      r6, 0
    cmpdi   r3, 0
    beq     1f
    stw     r5, 0(r3)
1:  cmpdi   r4, 0
    beq     2f
    stw     r6, 0(r4)
2:  succeed

/* u64 get_tbfreq(void) */
function __kernel_get_tbfreq
    clocks  r11
    ld      r3, CLOCKS_FREQUENCY(r11)
    crclr   3
    blr

/* void sync_dicache(void *r3, void *r4): from POWER4 on instruction caches are kept in step; one icbi orders fetches */
function __kernel_sync_dicache
    sync
    icbi    0, r3
    isync
    succeed

/*
 * The way back from a signal handler. GCC's unwinder compares these instructions and wants the doubleword 32 bytes
 * behind the first as sign that the frame is on the stack (libgcc, config/rs6000/linux-unwind.h).
 */

/* Where the general register, or another word of `struct pt_regs`, is above r1: the frame of 128 bytes, then in `ucontext_t`
   the 232 before `gp_regs`; `fp_regs` is behind those 48 words. */
#define SAVED(word)         (128 + 232 + 8 * (word))

/* Register `register` (by its number in DWARF) is where the word is: DW_CFA_expression, of DW_OP_breg1 with two bytes. */
.macro saved register, word
    .cfi_escape 0x10, \register, 3, 0x71, (SAVED(\word) & 0x7f) | 0x80, SAVED(\word) >> 7
.endm

/*
 * For unwinders that want to be told (thread cancellation is one): the frame is a signal's; what was interrupted has the
 * r1 that was saved, and goes on at the nip, which stands as register 67. They look for the instruction before the one that a
 * handler returns to, so there is one. Vector registers are not told.
 */
    .balign 8
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column 67
    .cfi_escape 0x0f, 4, 0x71, (SAVED(1) & 0x7f) | 0x80, SAVED(1) >> 7, 0x06
    saved   0, 0
    .irp    n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    saved   \n, \n
    .endr
    .irp    n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    saved   (32 + \n), (48 + \n)
    .endr
    saved   67, 32
    saved   65, 36
    saved   70, 38
    nop
function __kernel_sigtramp_rt64
    addi    r1, r1, 128
    li      r0, SYS_rt_sigreturn
    sc
    .balign 8
    .org    __kernel_sigtramp_rt64 + 32
    .quad   -21 * 8
    .cfi_endproc
