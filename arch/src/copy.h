/*
 * Copying upwards from r4 to r3. Each piece is loaded before any of it is stored, so both may overlap when r3 is below r4.
 *
 * An access waits for those of the other kind before it, on a processor as on an emulator: one load and one store in turns take
 * several times as long as many of each. A turn of a loop costs an emulator as much as some accesses, and several times that
 * when the loop lies in two pages: QEMU chains blocks of instructions within a page only, and looks for the next one in a table
 * elsewhere. So what has such loops is aligned to a power of two that it fits in (`in_a_page`).
 */

/* Has the instructions up to in_a_page_end, \size bytes at most, lie in one page. */
.macro in_a_page size
    .balign \size
    .set    in_a_page_size, \size
76:
.endm

.macro in_a_page_end
    .if     . - 76b > in_a_page_size
    .error  "too long for its alignment"
    .endif
.endm

/* A frame for the registers that a function keeps, and one more doubleword. */
#define COPY_FRAME      112
#define COPY_EXTRA      96

/* Saves or restores those registers; r1 points to the frame. */
.macro copy_registers operation
    .irp n, 14,15,16,17,18,19,20,21
    \operation \n, 32 + (\n - 14) * 8(r1)
    .endr
.endm

/* Copies 128 bytes and moves r3 and r4 on. Writes r0, r6 to r12, r14 to r21. */
.macro copy_block
    ld      r0, 0(r4)
    .irp n, 6,7,8,9,10,11,12
    ld      \n, (\n - 5) * 8(r4)
    .endr
    .irp n, 14,15,16,17,18,19,20,21
    ld      \n, (\n - 6) * 8(r4)
    .endr
    addi    r4, r4, 128
    std     r0, 0(r3)
    .irp n, 6,7,8,9,10,11,12
    std     \n, (\n - 5) * 8(r3)
    .endr
    .irp n, 14,15,16,17,18,19,20,21
    std     \n, (\n - 6) * 8(r3)
    .endr
    addi    r3, r3, 128
.endm

/* Copies r5 modulo 128 bytes. Writes r0, r3, r4, r6 to r12, CR0, CR6, CR7. */
.macro copy_rest
    andi.   r0, r5, 0x70
    mtocrf  0x01, r5
    beq     63f
    mtocrf  0x02, r5
    bf      4*cr6+gt, 61f
    ld      r0, 0(r4)
    .irp n, 6,7,8,9,10,11,12
    ld      \n, (\n - 5) * 8(r4)
    .endr
    addi    r4, r4, 64
    std     r0, 0(r3)
    .irp n, 6,7,8,9,10,11,12
    std     \n, (\n - 5) * 8(r3)
    .endr
    addi    r3, r3, 64
61: bf      4*cr6+eq, 62f
    .irp n, 6,7,8,9
    ld      \n, (\n - 6) * 8(r4)
    .endr
    addi    r4, r4, 32
    .irp n, 6,7,8,9
    std     \n, (\n - 6) * 8(r3)
    .endr
    addi    r3, r3, 32
62: bf      4*cr6+so, 63f
    ld      r6, 0(r4)
    ld      r7, 8(r4)
    addi    r4, r4, 16
    std     r6, 0(r3)
    std     r7, 8(r3)
    addi    r3, r3, 16
63: bf      4*cr7+lt, 64f
    ld      r6, 0(r4)
    addi    r4, r4, 8
    std     r6, 0(r3)
    addi    r3, r3, 8
64: bf      4*cr7+gt, 65f
    lwz     r6, 0(r4)
    addi    r4, r4, 4
    stw     r6, 0(r3)
    addi    r3, r3, 4
65: bf      4*cr7+eq, 66f
    lhz     r6, 0(r4)
    addi    r4, r4, 2
    sth     r6, 0(r3)
    addi    r3, r3, 2
66: bf      4*cr7+so, 67f
    lbz     r6, 0(r4)
    stb     r6, 0(r3)
67:
.endm
