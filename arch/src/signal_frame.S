/*
 * The registers of a program to a signal frame and back (abi: linux/frame.rs). Both are ordinary leaf functions.
 */
#include "guarded.h"

#define ALL_32      0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31

/* Places in a frame; `signal_frame.rs` asserts each number. */
#define SIGNAL      200
#define REGISTER(n) (232 + (n) * 8)
#define FLOATING    616
#define VECTORS_AT  880
#define VECTORS     896
#define VSX_LOW     544     /* behind VECTORS */
#define INFO        1744
#define STACK_GAP   128

/* Places in the parts that are not registers */
#define PART_SIGNAL 48
#define PART_INFO   80

    .text

/*
 * u64 user_put_frame(u64 r3 frame, const Parts *r4, const UserContext *r5, u64 r6 MSR, const VectorState *r7, u64 r8 VRSAVE)
 *
 * Writes a frame and, before it, the back chain; r7 is 0 when there is no state of vector registers. 0 when all was
 * written. Writes r0, r9, r10, CR0.
 */
    .global user_put_frame
    .type user_put_frame, @function
user_put_frame:
    li      r0, 0
    li      r10, 1
    guarded
    .irp n, 0,1,2,3,4,5
    ld      r9, \n * 8(r4)
    std     r9, \n * 8(r3)
    .endr
    .irp n, 0,1,2,3
    ld      r9, PART_SIGNAL + \n * 8(r4)
    std     r9, SIGNAL + \n * 8(r3)
    .endr
    .irp n, ALL_32
    ld      r9, GPR(\n)(r5)
    std     r9, REGISTER(\n)(r3)
    .endr
    ld      r9, NIP(r5)
    std     r9, REGISTER(32)(r3)
    std     r6, REGISTER(33)(r3)
    ld      r9, GPR(3)(r5)          /* r3 of a call */
    std     r9, REGISTER(34)(r3)
    ld      r9, CTR(r5)
    std     r9, REGISTER(35)(r3)
    ld      r9, LR(r5)
    std     r9, REGISTER(36)(r3)
    ld      r9, XER(r5)
    std     r9, REGISTER(37)(r3)
    ld      r9, CR(r5)
    std     r9, REGISTER(38)(r3)
    std     r10, REGISTER(39)(r3)   /* interrupts on */
    .irp n, 40,41,42,43,44,45,46,47
    std     r0, REGISTER(\n)(r3)
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17
    ld      r9, PART_INFO + \n * 8(r4)
    std     r9, INFO + \n * 8(r3)
    .endr
    ld      r9, GPR(1)(r5)
    std     r9, -STACK_GAP(r3)
    cmpdi   r7, 0
    beq     1f
    addi    r9, r3, VECTORS
    std     r9, VECTORS_AT(r3)
    .irp n, ALL_32
    ld      r9, \n * 16 + 8(r7)
    ld      r10, \n * 16(r7)
    std     r9, FLOATING + \n * 8(r3)
    std     r10, VECTORS + VSX_LOW + \n * 8(r3)
    .endr
    .irp n, ALL_32
    ld      r9, (32 + \n) * 16(r7)
    ld      r10, (32 + \n) * 16 + 8(r7)
    std     r9, VECTORS + \n * 16(r3)
    std     r10, VECTORS + \n * 16 + 8(r3)
    .endr
    ld      r9, STATE_FPSCR(r7)
    lwz     r10, STATE_VSCR(r7)
    std     r9, FLOATING + 32 * 8(r3)
    std     r10, VECTORS + 32 * 16(r3)
    std     r0, VECTORS + 32 * 16 + 8(r3)
    std     r8, VECTORS + 33 * 16(r3)
    std     r0, VECTORS + 33 * 16 + 8(r3)
    li      r3, 0
    blr
1:  std     r0, VECTORS_AT(r3)
    guarded_end
    li      r3, 0
    blr

/*
 * u64 user_get_frame(u64 r3 frame, Found *r4, UserContext *r5)
 *
 * Reads the general registers, NIP, CTR, LR, XER and CR into the context, and what the kernel has to look at: the
 * alternate stack, the mask, MSR, and where the vector registers are. 0 when all was read. Writes r0, r9, r10.
 */
    .global user_get_frame
    .type user_get_frame, @function
user_get_frame:
    guarded
    .irp n, 0,1,2,3
    ld      r9, 16 + \n * 8(r3)
    std     r9, \n * 8(r4)
    .endr
    ld      r9, REGISTER(33)(r3)
    ld      r10, VECTORS_AT(r3)
    std     r9, 32(r4)
    std     r10, 40(r4)
    .irp n, ALL_32
    ld      r9, REGISTER(\n)(r3)
    std     r9, GPR(\n)(r5)
    .endr
    ld      r9, REGISTER(32)(r3)
    std     r9, NIP(r5)
    ld      r9, REGISTER(35)(r3)
    std     r9, CTR(r5)
    ld      r9, REGISTER(36)(r3)
    std     r9, LR(r5)
    ld      r9, REGISTER(37)(r3)
    std     r9, XER(r5)
    ld      r9, REGISTER(38)(r3)
    std     r9, CR(r5)
    guarded_end
    li      r3, 0
    blr

/*
 * u64 user_get_vectors(u64 r3 fp_regs, u64 r4 vmx_reserve, VectorState *r5, u64 *r6 VRSAVE)
 *
 * Reads f0 to f31 and FPSCR from fp_regs; v0 to v31, VSCR, VRSAVE and the low halves of vs0 to vs31 from vmx_reserve.
 * What was read before a fault is in the state. Writes r0, r7, r8.
 */
    .global user_get_vectors
    .type user_get_vectors, @function
user_get_vectors:
    li      r0, 0
    guarded
    .irp n, ALL_32
    ld      r7, \n * 8(r3)
    ld      r8, \n * 8 + VSX_LOW(r4)
    std     r7, \n * 16 + 8(r5)
    std     r8, \n * 16(r5)
    .endr
    .irp n, ALL_32
    ld      r7, \n * 16(r4)
    ld      r8, \n * 16 + 8(r4)
    std     r7, (32 + \n) * 16(r5)
    std     r8, (32 + \n) * 16 + 8(r5)
    .endr
    ld      r7, 32 * 8(r3)
    lwz     r8, 32 * 16(r4)
    std     r7, STATE_FPSCR(r5)
    std     r8, STATE_VSCR(r5)
    std     r0, STATE_VSCR + 8(r5)
    lwz     r7, 33 * 16(r4)
    std     r7, 0(r6)
    guarded_end
    li      r3, 0
    blr
