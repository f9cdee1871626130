/* wake.c - how late a sleeper of 1 ms wakes up on an idle machine. */
#include "wake.h"
int main(void) { wake_measure("wake_idle", 1000, pb_envi("PB_WAKES", 1000)); return 0; }
