/*
 * Floating-point, vector and vector-scalar registers. Both are ordinary leaf functions for code that uses none of
 * these registers, as all kernel code is compiled. MSR[FP], [VEC], [VSX] are on inside only.
 */
#include "layout.h"

.macro facilities_on
    mfmsr   r9
    ori     r10, r9, 0x2000
    oris    r10, r10, 0x0280
    mtmsrd  r10
    isync
.endm

.macro all_registers operation
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63
    \operation \n, \n * 16(r3)
    .endr
.endm

    .text

/* void vector_save(VectorState *r3): writes r9, r10, and vs0, vs32 after they have been saved. */
    .global vector_save
    .type vector_save, @function
vector_save:
    facilities_on
    all_registers stxv
    mffs    f0
    stfd    f0, STATE_FPSCR(r3)
    mfvscr  v0
    stxv    vs32, STATE_VSCR(r3)
    mtmsrd  r9
    isync
    blr

/* void vector_load(const VectorState *r3): writes r9, r10 and all registers it is named for. */
    .global vector_load
    .type vector_load, @function
vector_load:
    facilities_on
    lfd     f0, STATE_FPSCR(r3)
    mtfsf   0xff, f0, 1, 0
    lxv     vs32, STATE_VSCR(r3)
    mtvscr  v0
    all_registers lxv
    mtmsrd  r9
    isync
    blr
