//! Memory where the C library is slow at it, as musl's is, which is written to be small: given out, copied, compared.
//!
//! musl's allocator asks the system for each thing that is a little larger; it copies with `rep movsq`, which takes some thirty
//! cycles to begin, and compares byte by byte, and most of what we copy is shorter than a line of text. `stream` took twice as
//! long, of which copying was a third.

#![cfg_attr(
    any(test, target_env = "musl"),
    expect(unsafe_code, reason = "these are routines of the C library, called by whatever is compiled")
)]

#[cfg(all(target_arch = "x86_64", any(test, target_env = "musl")))]
use std::arch::global_asm;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is freed from now on goes back to the system at once: an owner that waits for a week is to be small, and to keep it
/// for later wins no time that can be measured.
pub fn give_back_at_once() {
    #[cfg(target_env = "musl")]
    {
        use std::ffi::{c_int, c_long};
        unsafe extern "C" {
            fn mi_option_set(option: c_int, value: c_long);
        }
        /// `mi_option_purge_delay` in the `mimalloc.h` of version 2.
        const PURGE_DELAY: c_int = 15;
        // SAFETY: it stores a number.
        unsafe { mi_option_set(PURGE_DELAY, 0) }
    }
}

// Small sizes are two loads and two stores that may overlap. All that is short is loaded before anything is stored, so that
// one routine serves both memcpy and memmove.
#[cfg(all(target_arch = "x86_64", any(test, target_env = "musl")))]
global_asm!(
    ".pushsection .text.host_memmove, \"ax\", @progbits",
    ".balign 32",
    ".hidden host_memmove",
    ".globl host_memmove",
    ".type host_memmove, @function",
    "host_memmove:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 20f",
    "cmp rdx, 32",
    "ja 30f",
    // 16 to 32.
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + rdx - 16]",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    // Up to 15.
    "20: cmp edx, 8",
    "jb 21f",
    "mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "ret",
    "21: cmp edx, 4",
    "jb 22f",
    "mov ecx, [rsi]",
    "mov r8d, [rsi + rdx - 4]",
    "mov [rdi], ecx",
    "mov [rdi + rdx - 4], r8d",
    "ret",
    "22: cmp edx, 1",
    "jb 24f",
    "movzx ecx, byte ptr [rsi]",
    "je 23f",
    "movzx r8d, word ptr [rsi + rdx - 2]",
    "mov [rdi + rdx - 2], r8w",
    "23: mov [rdi], cl",
    "24: ret",
    // 33 to 64.
    "30: movups xmm0, [rsi]",
    "movups xmm1, [rsi + 16]",
    "movups xmm6, [rsi + rdx - 32]",
    "movups xmm7, [rsi + rdx - 16]",
    "cmp rdx, 64",
    "ja 40f",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + rdx - 32], xmm6",
    "movups [rdi + rdx - 16], xmm7",
    "ret",
    // 65 to 128.
    "40: movups xmm2, [rsi + 32]",
    "movups xmm3, [rsi + 48]",
    "movups xmm4, [rsi + rdx - 64]",
    "movups xmm5, [rsi + rdx - 48]",
    "cmp rdx, 128",
    "ja 50f",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + 32], xmm2",
    "movups [rdi + 48], xmm3",
    "movups [rdi + rdx - 64], xmm4",
    "movups [rdi + rdx - 48], xmm5",
    "movups [rdi + rdx - 32], xmm6",
    "movups [rdi + rdx - 16], xmm7",
    "ret",
    // More: 64 bytes at a time to aligned addresses; the ends are loaded before and stored after.
    "50: mov r8, rdi",
    "sub r8, rsi",
    "cmp r8, rdx",
    "jb 60f",
    "movaps xmm8, xmm0",
    "lea r9, [rdi + rdx - 64]",
    "lea r10, [rdi + 16]",
    "and r10, -16",
    "mov rcx, r10",
    "sub rcx, rdi",
    "add rsi, rcx",
    "51: movups xmm0, [rsi]",
    "movups xmm1, [rsi + 16]",
    "movups xmm2, [rsi + 32]",
    "movups xmm3, [rsi + 48]",
    "add rsi, 64",
    "movaps [r10], xmm0",
    "movaps [r10 + 16], xmm1",
    "movaps [r10 + 32], xmm2",
    "movaps [r10 + 48], xmm3",
    "add r10, 64",
    "cmp r10, r9",
    "jb 51b",
    "movups [r9], xmm4",
    "movups [r9 + 16], xmm5",
    "movups [r9 + 32], xmm6",
    "movups [r9 + 48], xmm7",
    "movups [rdi], xmm8",
    "ret",
    // It lies behind its source and overlaps it: from the end.
    "60: movaps xmm8, xmm7",
    "lea r9, [rdi + 64]",
    "lea r11, [rdi + rdx]",
    "mov r10, r11",
    "dec r10",
    "and r10, -16",
    "lea rsi, [rsi + rdx]",
    "mov rcx, r11",
    "sub rcx, r10",
    "sub rsi, rcx",
    "61: movups xmm4, [rsi - 16]",
    "movups xmm5, [rsi - 32]",
    "movups xmm6, [rsi - 48]",
    "movups xmm7, [rsi - 64]",
    "sub rsi, 64",
    "movaps [r10 - 16], xmm4",
    "movaps [r10 - 32], xmm5",
    "movaps [r10 - 48], xmm6",
    "movaps [r10 - 64], xmm7",
    "sub r10, 64",
    "cmp r10, r9",
    "ja 61b",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + 32], xmm2",
    "movups [rdi + 48], xmm3",
    "movups [r11 - 16], xmm8",
    "ret",
    ".size host_memmove, . - host_memmove",
    ".popsection",
);

#[cfg(all(target_arch = "x86_64", any(test, target_env = "musl")))]
global_asm!(
    ".pushsection .text.host_memcmp, \"ax\", @progbits",
    ".balign 32",
    ".hidden host_memcmp",
    ".globl host_memcmp",
    ".type host_memcmp, @function",
    "host_memcmp:",
    "xor ecx, ecx",
    "cmp rdx, 16",
    "jb 20f",
    "lea r8, [rdx - 16]",
    "10: cmp rcx, r8",
    "jae 11f",
    "movdqu xmm0, [rdi + rcx]",
    "movdqu xmm1, [rsi + rcx]",
    "pcmpeqb xmm0, xmm1",
    "pmovmskb eax, xmm0",
    "xor eax, 0xffff",
    "jnz 12f",
    "add rcx, 16",
    "jmp 10b",
    "11: mov rcx, r8",
    "movdqu xmm0, [rdi + rcx]",
    "movdqu xmm1, [rsi + rcx]",
    "pcmpeqb xmm0, xmm1",
    "pmovmskb eax, xmm0",
    "xor eax, 0xffff",
    "jnz 12f",
    "ret",
    "12: bsf eax, eax",
    "add rcx, rax",
    "movzx eax, byte ptr [rdi + rcx]",
    "movzx edx, byte ptr [rsi + rcx]",
    "sub eax, edx",
    "ret",
    // Up to 15: words, which compare as they are read from the left when their bytes are swapped.
    "20: cmp edx, 8",
    "jb 21f",
    "mov rax, [rdi]",
    "mov rcx, [rsi]",
    "cmp rax, rcx",
    "jne 23f",
    "mov rax, [rdi + rdx - 8]",
    "mov rcx, [rsi + rdx - 8]",
    "cmp rax, rcx",
    "jne 23f",
    "xor eax, eax",
    "ret",
    "21: cmp edx, 4",
    "jb 24f",
    "mov eax, [rdi]",
    "mov ecx, [rsi]",
    "cmp eax, ecx",
    "jne 22f",
    "mov eax, [rdi + rdx - 4]",
    "mov ecx, [rsi + rdx - 4]",
    "cmp eax, ecx",
    "jne 22f",
    "xor eax, eax",
    "ret",
    "22: bswap eax",
    "bswap ecx",
    "cmp eax, ecx",
    "sbb eax, eax",
    "or eax, 1",
    "ret",
    "23: bswap rax",
    "bswap rcx",
    "cmp rax, rcx",
    "sbb eax, eax",
    "or eax, 1",
    "ret",
    "24: xor eax, eax",
    "25: cmp rcx, rdx",
    "je 26f",
    "movzx eax, byte ptr [rdi + rcx]",
    "movzx r8d, byte ptr [rsi + rcx]",
    "inc rcx",
    "sub eax, r8d",
    "jz 25b",
    "26: ret",
    ".size host_memcmp, . - host_memcmp",
    ".popsection",
);

#[cfg(all(target_arch = "x86_64", target_env = "musl"))]
global_asm!(
    ".globl memcpy, memmove, memcmp, bcmp",
    ".set memcpy, host_memmove",
    ".set memmove, host_memmove",
    ".set memcmp, host_memcmp",
    ".set bcmp, host_memcmp",
);

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::cmp::Ordering;

    unsafe extern "C" {
        fn host_memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8;
        fn host_memcmp(left: *const u8, right: *const u8, count: usize) -> i32;
    }

    /// Lengths around each border of the code, and some beyond.
    fn lengths() -> impl Iterator<Item = usize> {
        (0..300).chain([511, 512, 513, 1000, 4095, 4096, 4097])
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at * 31 % 251) as u8).collect()
    }

    #[test]
    fn what_is_copied_is_what_was_there_however_it_overlaps_and_nothing_beside_it() {
        for count in lengths() {
            for from in [64, 65, 71, 79, 80] {
                for distance in [
                    -4000, -129, -128, -65, -64, -33, -17, -16, -15, -8, -3, -1, 0, 1, 2, 7, 15, 16, 17, 31, 63, 64,
                    127, 128, 129, 4000,
                ] {
                    let mut room = bytes(count + 8400);
                    let from = from + 4096;
                    let to = (from as isize + distance) as usize;
                    let mut expected = room.clone();
                    expected.copy_within(from..from + count, to);
                    // SAFETY: both lie within the room.
                    let told = unsafe {
                        let start = room.as_mut_ptr();
                        host_memmove(start.add(to), start.add(from), count) == start.add(to)
                    };
                    assert!(told && room == expected, "{count} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn what_is_compared_is_told_by_the_first_difference() {
        let compare = |left: &[u8], right: &[u8], count: usize| {
            assert!(count <= left.len() && count <= right.len());
            // SAFETY: both are that long.
            unsafe { host_memcmp(left.as_ptr(), right.as_ptr(), count) }.cmp(&0)
        };
        for count in lengths() {
            let left = bytes(count + 1);
            let mut right = left.clone();
            // What follows must not count.
            right[count] ^= 255;
            assert_eq!(compare(&left, &right, count), Ordering::Equal, "{count} equal bytes");
            for at in (0..count).filter(|at| *at < 40 || *at + 40 > count) {
                for other in [0, 1, 127, 128, 255_u8].into_iter().filter(|other| *other != left[at]) {
                    let mut right = left.clone();
                    right[at] = other;
                    // A second difference, the other way round.
                    if at + 1 < count {
                        right[count - 1] = if other > left[at] { 0 } else { 255 };
                    }
                    assert_eq!(
                        compare(&left, &right, count),
                        left[..count].cmp(&right[..count]),
                        "{count} bytes, {at}"
                    );
                }
            }
        }
    }
}
