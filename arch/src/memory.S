/*
 * memcpy, memmove, memset, memcmp and bcmp for all kernel code, in place of those of compiler_builtins: they use no
 * vector register either but are two to four times as fast. The C contracts; ordinary leaf functions.
 */
#include "copy.h"

#define BLOCK   128     /* what dcbz clears, on every processor with a radix MMU */

    .text

    in_a_page 2048

/*
 * void *memmove(void *r3 to, const void *r4 from, size_t r5 count), and memcpy
 * Copying upwards is right for overlapping ranges with to < from.
 */
    .global memmove
    .type memmove, @function
memmove:
    subf    r6, r4, r3          /* to - from, unsigned: below count when copying upwards would destroy */
    cmpld   r6, r5
    blt     backwards
    .global memcpy
    .type memcpy, @function
memcpy:
    srdi.   r6, r5, 7
    bne     1f
    mtctr   r3
    copy_rest
    mfctr   r3
    blr
1:  stdu    r1, -COPY_FRAME(r1)
    std     r3, COPY_EXTRA(r1)
    mtctr   r6
    copy_registers std
2:  copy_block
    bdnz    2b
    copy_registers ld
    copy_rest
    ld      r3, COPY_EXTRA(r1)
    addi    r1, r1, COPY_FRAME
    blr

/* From the ends down; `to` lies inside [from, from + count). */
backwards:
    add     r12, r3, r5
    add     r4, r4, r5
    srdi.   r6, r5, 3
    beq     2f
    mtctr   r6
1:  ldu     r6, -8(r4)
    stdu    r6, -8(r12)
    bdnz    1b
2:  andi.   r6, r5, 7
    beqlr
    mtctr   r6
3:  lbzu    r6, -1(r4)
    stbu    r6, -1(r12)
    bdnz    3b
    blr

/* void *memset(void *r3 to, int r4 byte, size_t r5 count) */
    .global memset
    .type memset, @function
memset:
    mr      r12, r3
    rldimi  r4, r4, 8, 48
    rldimi  r4, r4, 16, 32
    rldimi  r4, r4, 32, 0
    cmpdi   r4, 0
    bne     3f
    cmpldi  r5, 2 * BLOCK
    blt     3f
    /* Zeros: up to a block boundary, then whole blocks. */
    neg     r6, r12
    andi.   r6, r6, BLOCK - 1
    beq     1f
    subf    r5, r6, r5
    std     r4, 0(r12)          /* at least 256 bytes follow: storing too far is no harm */
    std     r4, 8(r12)
    std     r4, 16(r12)
    std     r4, 24(r12)
    std     r4, 32(r12)
    std     r4, 40(r12)
    std     r4, 48(r12)
    std     r4, 56(r12)
    std     r4, 64(r12)
    std     r4, 72(r12)
    std     r4, 80(r12)
    std     r4, 88(r12)
    std     r4, 96(r12)
    std     r4, 104(r12)
    std     r4, 112(r12)
    std     r4, 120(r12)
    add     r12, r12, r6
1:  srdi.   r6, r5, 10
    beq     9f
    mtctr   r6
    /* Pages: eight blocks a turn. */
    li      r6, BLOCK
    li      r7, 2 * BLOCK
    li      r8, 3 * BLOCK
    li      r9, 4 * BLOCK
    li      r10, 5 * BLOCK
    li      r11, 6 * BLOCK
    li      r0, 7 * BLOCK
2:  dcbz    0, r12
    dcbz    r6, r12
    dcbz    r7, r12
    dcbz    r8, r12
    dcbz    r9, r12
    dcbz    r10, r12
    dcbz    r11, r12
    dcbz    r12, r0
    addi    r12, r12, 8 * BLOCK
    bdnz    2b
9:  rlwinm. r6, r5, 25, 29, 31
    beq     9f
    mtctr   r6
2:  dcbz    0, r12
    addi    r12, r12, BLOCK
    bdnz    2b
9:  andi.   r5, r5, BLOCK - 1
3:  srdi.   r6, r5, 5
    beq     5f
    mtctr   r6
4:  std     r4, 0(r12)
    std     r4, 8(r12)
    std     r4, 16(r12)
    std     r4, 24(r12)
    addi    r12, r12, 32
    bdnz    4b
5:  rldicl. r6, r5, 61, 62
    beq     7f
    mtctr   r6
6:  std     r4, 0(r12)
    addi    r12, r12, 8
    bdnz    6b
7:  andi.   r6, r5, 7
    beqlr
    mtctr   r6
8:  stb     r4, 0(r12)
    addi    r12, r12, 1
    bdnz    8b
    blr

/* int memcmp(const void *r3, const void *r4, size_t r5 count), and bcmp */
    .global memcmp
    .type memcmp, @function
    .global bcmp
    .type bcmp, @function
memcmp:
bcmp:
    srdi.   r6, r5, 3
    beq     2f
    mtctr   r6
1:  ldbrx   r7, 0, r3           /* most significant byte first, so that words order as bytes do */
    ldbrx   r8, 0, r4
    cmpld   r7, r8
    bne     5f
    addi    r3, r3, 8
    addi    r4, r4, 8
    bdnz    1b
2:  andi.   r6, r5, 7
    beq     4f
    cmpldi  r5, 8
    blt     3f
    /* The last eight bytes, some of which have been compared already. */
    addi    r6, r6, -8
    ldbrx   r7, r6, r3
    ldbrx   r8, r6, r4
    cmpld   r7, r8
    bne     5f
    b       4f
3:  mtctr   r6
1:  lbz     r7, 0(r3)
    lbz     r8, 0(r4)
    cmpld   r7, r8
    bne     5f
    addi    r3, r3, 1
    addi    r4, r4, 1
    bdnz    1b
4:  li      r3, 0
    blr
5:  li      r3, 1
    bgtlr
    li      r3, -1
    blr
    in_a_page_end
