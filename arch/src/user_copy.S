/*
 * Access to user memory. All are ordinary leaf functions; interrupts off.
 */
#include "guarded.h"
#include "copy.h"

    .text

/* Out: r3 = 1, the answer of every function here when an access failed. DAR of the fault is in the CpuBlock. */
    .global faulted
faulted:
    li      r3, 1
    blr

/*
 * u64 user_copy(void *r3 to, const void *r4 from, u64 r5 count): 0 when all bytes were copied.
 * Writes r0, r4 to r12, CTR, CR0, CR6, CR7; has a frame of its own for long copies. Vector registers would be a little faster
 * still, but they are the program's, and MSR would have to be changed for them.
 */
    in_a_page 512
    .global user_copy
    .type user_copy, @function
user_copy:
    srdi.   r6, r5, 7
    beq     2f
    mtctr   r6
    stdu    r1, -COPY_FRAME(r1)
    copy_registers std
    guarded
1:  copy_block
    bdnz    1b
    guarded_end copy_faulted
    copy_registers ld
    addi    r1, r1, COPY_FRAME
2:  guarded
    copy_rest
    guarded_end
    li      r3, 0
    blr
copy_faulted:
    copy_registers ld
    addi    r1, r1, COPY_FRAME
    li      r3, 1
    blr
    in_a_page_end

/*
 * u64 user_fill(void *r3 to, u64 r4 word, u64 r5 count): 0 when all bytes were set; `word` is the byte eight times.
 * Writes r5 to r6, CTR, CR0.
 */
    in_a_page 256
    .global user_fill
    .type user_fill, @function
user_fill:
    /* Whole pages of zeros, the usual case, a block at a time. */
    or      r6, r3, r5
    andi.   r6, r6, 127
    or.     r6, r6, r4
    bne     5f
    srdi.   r6, r5, 7
    beq     4f
    mtctr   r6
    guarded
6:  dcbz    0, r3
    addi    r3, r3, 128
    bdnz    6b
    b       4f
5:  srdi.   r6, r5, 3
    beq     2f
    mtctr   r6
1:  std     r4, 0(r3)
    addi    r3, r3, 8
    bdnz    1b
2:  andi.   r6, r5, 7
    beq     4f
    mtctr   r6
3:  stb     r4, 0(r3)
    addi    r3, r3, 1
    bdnz    3b
    guarded_end
4:  li      r3, 0
    blr
    in_a_page_end

/* u64 user_load_u32(u64 r3 from, u64 *r4 value): 0 when loaded; one access. Writes r5. */
    .global user_load_u32
    .type user_load_u32, @function
user_load_u32:
    try lwz r5, 0(r3)
    std     r5, 0(r4)
    li      r3, 0
    blr

/* u64 user_load_u64(u64 r3 from, u64 *r4 value): 0 when loaded; one access. Writes r5. */
    .global user_load_u64
    .type user_load_u64, @function
user_load_u64:
    try ld  r5, 0(r3)
    std     r5, 0(r4)
    li      r3, 0
    blr

/*
 * u64 user_compare_exchange_u32(u64 r3 at, u32 r4 old, u32 r5 new, u64 *r6 found)
 *
 * 0 when the word could be read, and was replaced if it was `old`; `found` is what was there. Full barrier.
 * The address is aligned. Writes r7, CR0.
 */
    .global user_compare_exchange_u32
    .type user_compare_exchange_u32, @function
user_compare_exchange_u32:
    sync
1:  try lwarx r7, 0, r3
    cmplw   r7, r4
    bne     2f
    try stwcx. r5, 0, r3
    bne     1b
2:  sync
    std     r7, 0(r6)
    li      r3, 0
    blr
