/*
 * The way into instantiated run-time services and back.
 */

#include "layout.h"
#include "endian.h"

#define MSR_ME      0x1000
#define FRAME       224

    .text

/*
 * void enter_rtas(u64 arguments, u64 base, u64 entry)
 *
 * In:  r3 real address of the argument cells, r4 that of the services' own memory, r5 that of their entry, all below
 * 4 GiB. The caller holds the services' lock: the stack pointer is kept in one place. Works with translation on and
 * off. The services run in 32-bit mode and keep only low halves of registers, so all non-volatile ones are saved here.
 */
    .global enter_rtas
    .type enter_rtas, @function
enter_rtas:
    mflr    r0
    std     r0, 16(r1)
    mfcr    r0
    std     r0, 8(r1)
    stdu    r1, -FRAME(r1)
    std     r2, 24(r1)
    std     r13, 32(r1)
    mfmsr   r7
    std     r7, 40(r1)
    .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, (\n - 14) * 8 + 48(r1)
    .endr
    address_of r6, rtas_stack
    std     r1, 0(r6)
    address_of r6, rtas_return
    clrldi  r6, r6, 4
    mtlr    r6
    li      r0, 0
    mtmsrd  r0, 1               /* from here to the rfid no interrupt could be returned from */
    li      r7, MSR_ME
    mtsrr0  r5
    mtsrr1  r7
    rfid
rtas_return:
    to_little_endian
    address_of r6, rtas_stack
    ld      r1, 0(r6)
    ld      r2, 24(r1)
    ld      r13, 32(r1)
    ld      r7, 40(r1)
    .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      \n, (\n - 14) * 8 + 48(r1)
    .endr
    addi    r1, r1, FRAME
    ld      r0, 8(r1)
    mtcrf   0xff, r0
    ld      r0, 16(r1)
    mtlr    r0
    mtsrr0  r0
    mtsrr1  r7
    rfid

/*
 * void leave_by_rtas(u64 arguments, u64 base, u64 entry)
 *
 * In:  as for enter_rtas, but without the lock. Nothing is kept: the service does not return. Should it do so (an
 * emulator stops the CPU a few instructions later), the CPU stays where it is, with interrupts off.
 */
    .global leave_by_rtas
    .type leave_by_rtas, @function
leave_by_rtas:
    address_of r6, rtas_gone
    clrldi  r6, r6, 4
    mtlr    r6
    li      r0, 0
    mtmsrd  r0, 1
    li      r7, MSR_ME
    mtsrr0  r5
    mtsrr1  r7
    rfid
rtas_gone:
    to_little_endian
1:  b       1b

    .section .bss.rtas, "aw", @nobits
    .balign 8
rtas_stack:
    .space  8
