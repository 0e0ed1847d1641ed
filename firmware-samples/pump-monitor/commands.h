#ifndef COMMANDS_H
#define COMMANDS_H

void commands_begin(void);

#endif
