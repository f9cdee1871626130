/*
 * The registers of a program to a signal frame and back (abi: linux/frame.rs). Both are ordinary leaf functions.
 */
#include "guarded.h"
#include "copy.h"

/*
 * Moves doublewords, eight at a time: \count of them, or as many as make eights, from \at(\from) to \place(\to).
 * Writes r14 to r21, which the caller has saved.
 */
.macro move from, at, to, place, count
    .set    moved, 0
    .rept   (\count) / 8
    .irp n, 14,15,16,17,18,19,20,21
    ld      \n, \at + (moved + \n - 14) * 8(\from)
    .endr
    .irp n, 14,15,16,17,18,19,20,21
    std     \n, \place + (moved + \n - 14) * 8(\to)
    .endr
    .set    moved, moved + 8
    .endr
    move_rest \from, (\at+moved*8), \to, (\place+moved*8), ((\count)%8)
.endm

/* The same for less than eight. */
.macro move_rest from, at, to, place, count
    .irp n, 14,15,16,17,18,19,20
    .if     \n - 14 < \count
    ld      \n, \at + (\n - 14) * 8(\from)
    .endif
    .endr
    .irp n, 14,15,16,17,18,19,20
    .if     \n - 14 < \count
    std     \n, \place + (\n - 14) * 8(\to)
    .endif
    .endr
.endm

/* Moves eight halves of vector-scalar registers, which are 16 bytes apart in a VectorState and 8 in a frame. */
.macro gather from, at, to, place
    .irp n, 14,15,16,17,18,19,20,21
    ld      \n, \at + (\n - 14) * 16(\from)
    .endr
    .irp n, 14,15,16,17,18,19,20,21
    std     \n, \place + (\n - 14) * 8(\to)
    .endr
.endm

.macro scatter from, at, to, place
    .irp n, 14,15,16,17,18,19,20,21
    ld      \n, \at + (\n - 14) * 8(\from)
    .endr
    .irp n, 14,15,16,17,18,19,20,21
    std     \n, \place + (\n - 14) * 16(\to)
    .endr
.endm

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

/* Where an access of a function here fails that has a frame. */
frame_faulted:
    li      r3, 1
frame_done:
    copy_registers ld
    addi    r1, r1, COPY_FRAME
    blr

/*
 * u64 user_put_frame(u64 r3 frame, const Parts *r4, const UserContext *r5, u64 r6 MSR, const VectorState *r7, u64 r8 VRSAVE)
 *
 * Writes a frame and, before it, the back chain; r7 is 0 when there is no state of vector registers. 0 when all was
 * written. Writes r0, r9, r10, CR0.
 */
    .global user_put_frame
    .type user_put_frame, @function
user_put_frame:
    stdu    r1, -COPY_FRAME(r1)
    copy_registers std
    li      r0, 0
    guarded
    move    r4, 0, r3, 0, 6
    move    r4, PART_SIGNAL, r3, SIGNAL, 4
    move    r5, GPR(0), r3, REGISTER(0), 32
    ld      r9, GPR(1)(r5)
    std     r9, -STACK_GAP(r3)
    ld      r14, NIP(r5)
    mr      r15, r6
    ld      r16, GPR(3)(r5)         /* r3 of a call */
    ld      r17, CTR(r5)
    ld      r18, LR(r5)
    ld      r19, XER(r5)
    ld      r20, CR(r5)
    li      r21, 1                  /* interrupts on */
    .irp n, 14,15,16,17,18,19,20,21
    std     \n, REGISTER(32 + \n - 14)(r3)
    .endr
    .irp n, 40,41,42,43,44,45,46,47
    std     r0, REGISTER(\n)(r3)
    .endr
    move    r4, PART_INFO, r3, INFO, 18
    cmpdi   r7, 0
    std     r0, VECTORS_AT(r3)
    beq     1f
    addi    r9, r3, VECTORS
    std     r9, VECTORS_AT(r3)
    .irp n, 0,8,16,24
    gather  r7, (\n*16+8), r3, (FLOATING+\n*8)
    gather  r7, (\n*16), r3, (VECTORS+VSX_LOW+\n*8)
    .endr
    move    r7, (32*16), r3, VECTORS, 64
    ld      r9, STATE_FPSCR(r7)
    lwz     r10, STATE_VSCR(r7)
    std     r9, FLOATING + 32 * 8(r3)
    std     r10, VECTORS + 32 * 16(r3)
    std     r0, VECTORS + 32 * 16 + 8(r3)
    std     r8, VECTORS + 33 * 16(r3)
    std     r0, VECTORS + 33 * 16 + 8(r3)
    guarded_end frame_faulted
1:  li      r3, 0
    b       frame_done

/*
 * u64 user_get_frame(u64 r3 frame, Found *r4, UserContext *r5)
 *
 * Reads the general registers, NIP, CTR, LR, XER and CR into the context, and what the kernel has to look at: the
 * alternate stack, the mask, MSR, and where the vector registers are. 0 when all was read. Writes r9, r10.
 */
    .global user_get_frame
    .type user_get_frame, @function
user_get_frame:
    stdu    r1, -COPY_FRAME(r1)
    copy_registers std
    guarded
    move    r3, 16, r4, 0, 4
    ld      r9, REGISTER(33)(r3)
    ld      r10, VECTORS_AT(r3)
    std     r9, 32(r4)
    std     r10, 40(r4)
    move    r3, REGISTER(0), r5, GPR(0), 32
    ld      r14, REGISTER(32)(r3)
    ld      r15, REGISTER(35)(r3)
    ld      r16, REGISTER(36)(r3)
    ld      r17, REGISTER(37)(r3)
    ld      r18, REGISTER(38)(r3)
    guarded_end frame_faulted
    std     r14, NIP(r5)
    std     r15, CTR(r5)
    std     r16, LR(r5)
    std     r17, XER(r5)
    std     r18, CR(r5)
    li      r3, 0
    b       frame_done

/*
 * u64 user_get_vectors(u64 r3 fp_regs, u64 r4 vmx_reserve, VectorState *r5, u64 *r6 VRSAVE)
 *
 * Reads f0 to f31 and FPSCR from fp_regs; v0 to v31, VSCR, VRSAVE and the low halves of vs0 to vs31 from vmx_reserve.
 * What was read before a fault is in the state. Writes r0, r7, r8.
 */
    .global user_get_vectors
    .type user_get_vectors, @function
user_get_vectors:
    stdu    r1, -COPY_FRAME(r1)
    copy_registers std
    li      r0, 0
    guarded
    .irp n, 0,8,16,24
    scatter r3, (\n*8), r5, (\n*16+8)
    scatter r4, (VSX_LOW+\n*8), r5, (\n*16)
    .endr
    move    r4, 0, r5, (32*16), 64
    ld      r7, 32 * 8(r3)
    lwz     r8, 32 * 16(r4)
    std     r7, STATE_FPSCR(r5)
    std     r8, STATE_VSCR(r5)
    std     r0, STATE_VSCR + 8(r5)
    lwz     r7, 33 * 16(r4)
    std     r7, 0(r6)
    guarded_end frame_faulted
    li      r3, 0
    b       frame_done
