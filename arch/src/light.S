/*
 * System calls that are answered without taking the program's registers off the CPU.
 */
#include "layout.h"

#define LIGHT_FRAME     208
#define FRAME_R1        32
#define FRAME_R2        40
#define FRAME_LR        48
#define FRAME_CR        56
#define FRAME_SRR0      64
#define FRAME_SRR1      72
#define FRAME_R13       80
#define FRAME_R0        88
#define FRAME_ARGUMENT(n)   (96 + (n) * 8)
#define FRAME_RESERVATION   160

    .text

/*
 * `sc` of a program, with translation on: see vectors.S for the registers. r0 is the call's number, r3 to r8 are its
 * arguments; r9 to r12, CTR, XER and CR0, 1, 5, 6, 7 are the kernel's to change (Linux, "powerpc system call ABI").
 *
 * A call that has an entry in LIGHT_CALLS is handed to it on the kernel's stack, below the frame of enter_user, as an
 * ordinary function: registers that such a function keeps are not saved here. It answers a value in r3 and in r4
 * 0 for success, 1 for an error number, 2 for "not now": then the call goes the ordinary way, as all others do.
 * Nothing of the kernel's is left in a register.
 */
    .global system_call_entry
system_call_entry:
    cmpldi  r0, LIGHT_CALL_LIMIT
    ld      r9, BLOCK_LIGHT_CALLS(r13)
    sldi    r10, r0, 3
    bge     ordinary
    ldx     r12, r9, r10
    cmpdi   r12, 0
    beq     ordinary
    ld      r11, BLOCK_KERNEL_SP(r13)
    std     r1, FRAME_R1 - LIGHT_FRAME(r11)
    stdu    r11, -LIGHT_FRAME(r11)
    std     r2, FRAME_R2(r11)
    mflr    r9
    mfcr    r10
    std     r9, FRAME_LR(r11)
    std     r10, FRAME_CR(r11)
    mfspr   r9, SRR0
    mfspr   r10, SRR1
    std     r9, FRAME_SRR0(r11)
    std     r10, FRAME_SRR1(r11)
    mfspr   r9, SPRG1
    std     r9, FRAME_R13(r11)
    std     r0, FRAME_R0(r11)
    .irp n, 3,4,5,6,7,8
    std     \n, FRAME_ARGUMENT(\n - 3)(r11)
    .endr
    mr      r1, r11
    ld      r9, 0(r1)
    ld      r2, 24(r9)
    mtctr   r12
    bctrl

    /* A reservation of the kernel must not make a store of the program succeed. */
    addi    r9, r1, FRAME_RESERVATION
    stdcx.  r9, 0, r9
    cmpdi   r4, 1
    ld      r9, FRAME_LR(r1)
    ld      r10, FRAME_CR(r1)
    mtlr    r9
    bgt     not_now
    rlwinm  r10, r10, 0, 4, 2       /* CR0[SO] tells success from failure */
    bne     answered
    oris    r10, r10, 0x1000
answered:
    mtcrf   0xff, r10
    ld      r9, FRAME_SRR0(r1)
    ld      r10, FRAME_SRR1(r1)
    mtspr   SRR0, r9
    mtspr   SRR1, r10
    ld      r2, FRAME_R2(r1)
    ld      r13, FRAME_R13(r1)
    ld      r1, FRAME_R1(r1)
    li      r0, 0
    mtctr   r0
    .irp n, 4,5,6,7,8,9,10,11,12
    li      \n, 0
    .endr
    rfid

not_now:
    mtcrf   0xff, r10
    ld      r9, FRAME_SRR0(r1)
    ld      r10, FRAME_SRR1(r1)
    mtspr   SRR0, r9
    mtspr   SRR1, r10
    ld      r9, FRAME_R13(r1)
    mtspr   SPRG1, r9
    ld      r0, FRAME_R0(r1)
    .irp n, 3,4,5,6,7,8
    ld      \n, FRAME_ARGUMENT(\n - 3)(r1)
    .endr
    ld      r2, FRAME_R2(r1)
    ld      r1, FRAME_R1(r1)
ordinary:
    li      r9, 0
    li      r10, 0
    li      r11, 0
    li      r12, 0xc00
    b       interrupt_entry
