// Switching between fibers: save the registers that a C++ function may use, change the stack, restore.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) && !defined(MINIGAN_PORTABLE_SWITCH)

namespace emulation {

// By the System V ABI a callee keeps rbx, rbp and r12 to r15, and a call already saves the rest.
struct Context { void* stack_pointer; };

extern "C" void minigan_switch(void** from, void* to);
asm(R"(
.text
.type minigan_switch, @function
minigan_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
.size minigan_switch, .-minigan_switch
)");

inline void prepare(Context& context, char* stack, size_t size, void (*entry)()) {
    // A return address for `ret`, six registers below it; at entry the stack is 16-byte aligned minus 8.
    auto top = reinterpret_cast<uintptr_t>(stack + size) & ~uintptr_t(15);
    auto* words = reinterpret_cast<void**>(top) - 1;
    *words = nullptr;
    *--words = reinterpret_cast<void*>(entry);
    context.stack_pointer = words - 6;
}

inline void switch_context(Context& from, Context& to) {
    minigan_switch(&from.stack_pointer, to.stack_pointer);
}

}  // namespace emulation

#else  // any POSIX system, slower: each switch is a system call for the signal mask

#include <ucontext.h>

namespace emulation {

struct Context { ucontext_t state; };

inline void prepare(Context& context, char* stack, size_t size, void (*entry)()) {
    getcontext(&context.state);
    context.state.uc_stack.ss_sp = stack;
    context.state.uc_stack.ss_size = size;
    context.state.uc_link = nullptr;
    makecontext(&context.state, entry, 0);
}

inline void switch_context(Context& from, Context& to) { swapcontext(&from.state, &to.state); }

}  // namespace emulation

#endif
