/*
 * Between firmware's mode (big-endian, 32-bit, translation off) and the kernel's.
 */

/*
 * Continues with the next instruction in little-endian, 64-bit mode. Executed in big-endian mode, so the instruction
 * words are stored with their bytes reversed. Writes r10, r11, r12, LR, SRR0, SRR1.
 */
.macro to_little_endian
    .long   0x05009f42      /* bcl   20,31,.+4                  */
    .long   0xa602487d      /* mflr  r10                        */
    .long   0x28004a39      /* addi  r10,r10,40: past the rfid  */
    .long   0xa600607d      /* mfmsr r11                        */
    .long   0x01006b61      /* ori   r11,r11,1: LE              */
    .long   0x01008039      /* li    r12,1                      */
    .long   0x06f88c79      /* sldi  r12,r12,63: SF             */
    .long   0x78636b7d      /* or    r11,r11,r12                */
    .long   0xa6035a7d      /* mtsrr0 r10                       */
    .long   0xa6037b7d      /* mtsrr1 r11                       */
    .long   0x2400004c      /* rfid                             */
.endm
