"""The two-dimensional convolution, as Keras has it: the kernel is not flipped, so strictly speaking
it is the cross-correlation.

The image arrives already padded, so that every tap of every window lies inside it. A window's
corner moves by the strides (sh, sw); its taps lie the dilation rate (dh, dw) apart. A tap is one
position (r, s) of the kernel.
"""

import numpy as np

from scratchnet.engines.loops.parallel import prange

__all__ = ["conv2d_dkernel", "conv2d_dx", "conv2d_forward"]


def conv2d_forward(x, kernel, bias, strides, dilation, z):
    """z[n,p,q,f] = bias[f] + sum over r,s,c of x[n, p*sh + r*dh, q*sw + s*dw, c] * kernel[r,s,c,f]

    shapes    x (N, H, W, C) padded   kernel (R, S, C, F)   bias (F,)   z (N, P, Q, F)
    threads   one sample n each
    order     f innermost: it runs along memory in kernel and z
    """
    N, P, Q, F = z.shape
    R, S, C, _ = kernel.shape
    sh, sw = strides
    dh, dw = dilation
    for n in prange(N):
        total = np.empty(F)
        for p in range(P):
            for q in range(Q):
                for f in range(F):
                    total[f] = bias[f]
                for r in range(R):
                    for s in range(S):
                        for c in range(C):
                            value = x[n, p * sh + r * dh, q * sw + s * dw, c]
                            for f in range(F):
                                total[f] += value * kernel[r, s, c, f]
                for f in range(F):
                    z[n, p, q, f] = total[f]


def conv2d_dx(dz, kernel, strides, dilation, dx):
    """dx[n, p*sh + r*dh, q*sw + s*dw, c] += dz[n, p, q, f] * kernel[r, s, c, f], from dx = 0

    shapes    dz (N, P, Q, F)   kernel (R, S, C, F)   dx (N, H, W, C), the padded image's
    threads   one sample n each
    derived   every window that read a pixel sends its gradient back to it through the tap that read
              it
    """
    N, P, Q, F = dz.shape
    R, S, C, _ = kernel.shape
    _, H, W, _ = dx.shape
    sh, sw = strides
    dh, dw = dilation
    turned = np.empty(
        (R, S, F, C), kernel.dtype
    )  # filters before channels: c then runs along memory
    for r in range(R):
        for s in range(S):
            for c in range(C):
                for f in range(F):
                    turned[r, s, f, c] = kernel[r, s, c, f]
    for n in prange(N):
        total = np.zeros((H, W, C))
        for p in range(P):
            for q in range(Q):
                for r in range(R):
                    for s in range(S):
                        h, w = p * sh + r * dh, q * sw + s * dw
                        for f in range(F):
                            value = dz[n, p, q, f]
                            for c in range(C):
                                total[h, w, c] += value * turned[r, s, f, c]
        for h in range(H):
            for w in range(W):
                for c in range(C):
                    dx[n, h, w, c] = total[h, w, c]


def conv2d_dkernel(x, dz, strides, dilation, dkernel):
    """dkernel[r, s, c, f] = sum over n, p, q of x[n, p*sh + r*dh, q*sw + s*dw, c] * dz[n, p, q, f]

    shapes    x (N, H, W, C) padded   dz (N, P, Q, F)   dkernel (R, S, C, F)
    threads   one tap (r, s) each: no cell is written by two threads, so the result does not depend
              on their number
    derived   by differentiating the sum in conv2d_forward with respect to kernel[r, s, c, f]
    """
    N, P, Q, F = dz.shape
    R, S, C, _ = dkernel.shape
    sh, sw = strides
    dh, dw = dilation
    for tap in prange(R * S):
        r, s = tap // S, tap % S
        total = np.zeros((C, F))
        for n in range(N):
            for p in range(P):
                for q in range(Q):
                    for c in range(C):
                        value = x[n, p * sh + r * dh, q * sw + s * dw, c]
                        for f in range(F):
                            total[c, f] += value * dz[n, p, q, f]
        for c in range(C):
            for f in range(F):
                dkernel[r, s, c, f] = total[c, f]
