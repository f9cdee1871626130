/*
 * Programs that the checks run in user mode. They are copied to a page of their own and use only what their
 * comment says; `sc` ends each.
 */
    .section .rodata.programs, "a"
    .balign 16
    .global programs_start
programs_start:

/* Just the call. */
    .global program_call
program_call:
    sc

/* Adds 1 to r3 until stopped. */
    .global program_loop
program_loop:
1:  addi    r3, r3, 1
    b       1b

/*
 * r3 = a page with 64 images of 16 bytes, FPSCR and VSCR as VectorState has them: loads all registers from it, calls,
 * then stores all registers to the page in r4 and calls again.
 */
    .global program_vectors
program_vectors:
    lfd     f0, 1024(r3)
    mtfsf   0xff, f0, 1, 0
    lxv     vs32, 1040(r3)
    mtvscr  v0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63
    lxv     \n, \n * 16(r3)
    .endr
    sc
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63
    stxv    \n, \n * 16(r4)
    .endr
    mffs    f0
    stfd    f0, 1024(r4)
    mfvscr  v0
    stxv    vs32, 1040(r4)
    sc

/* Sets TAR, VRSAVE from r3, r4, calls, reads them back to r5, r6, calls. */
    .global program_special
program_special:
    mtspr   815, r3
    mtspr   256, r4
    sc
    mfspr   r5, 815
    mfspr   r6, 256
    sc

/* 1.0 / 0.0 with the zero-divide exception enabled. r3 = address of two doubles. */
    .global program_divide
program_divide:
    mtfsb1  27
    lfd     f1, 0(r3)
    lfd     f2, 8(r3)
    fdiv    f3, f1, f2
    sc

/* Takes a reservation at r3, calls, tries to store there: r4 = 1 when the store succeeded. */
    .global program_reserve
program_reserve:
    ldarx   r5, 0, r3
    sc
    li      r4, 0
    stdcx.  r5, 0, r3
    bne     1f
    li      r4, 1
1:  sc

    .global programs_end
programs_end:

/*
 * Not a program: u64 kept_by_copy(void *r3 to, const void *r4 from, u64 r5 count), an ordinary function. How many of r14 to r31
 * and r1 user_copy has not kept; what it copies is not told.
 */
    .text
    .global kept_by_copy
    .type kept_by_copy, @function
kept_by_copy:
    mflr    r0
    std     r0, 16(r1)
    stdu    r1, -192(r1)
    .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, 32 + (\n - 14) * 8(r1)
    li      \n, 1000 + \n
    .endr
    std     r1, 176(r1)
    bl      user_copy
    ld      r4, 176(r1)
    li      r3, 0
    cmpld   r4, r1
    beq     1f
    addi    r3, r3, 1
1:  .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    cmpdi   \n, 1000 + \n
    beq     2f
    addi    r3, r3, 1
2:  ld      \n, 32 + (\n - 14) * 8(r1)
    .endr
    addi    r1, r1, 192
    ld      r0, 16(r1)
    mtlr    r0
    blr
