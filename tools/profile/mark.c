/* mark.c - "mark begin" and "mark end" bound what plugin.c watches, for scripts. */
#include <string.h>

int main(int count, char **words)
{
	if (count == 2 && !strcmp(words[1], "begin"))
		__asm__ volatile("xoris 17,17,0" ::: "memory");
	else if (count == 2 && !strcmp(words[1], "end"))
		__asm__ volatile("xoris 18,18,0" ::: "memory");
	else
		return 2;
	return 0;
}
