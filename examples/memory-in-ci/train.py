"""A model of one's own, and two steps of its training, recorded as an H100 would hold them; no GPU is needed.

usage: python train.py recording.json.gz
"""

import sys

import torch
from torch import Tensor, nn

import ballast_probe


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.gate = nn.Linear(width, 4 * width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        normed = self.norm(rows)
        opened: Tensor = nn.functional.silu(self.gate(normed)) * self.up(normed)
        return rows + self.down(opened)


def train(prompt: int, answer: int) -> None:
    blocks = (Block(256) for _ in range(4))
    model = nn.Sequential(nn.Embedding(1000, 256), *blocks, nn.Linear(256, 1000)).cuda()
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):  # the second step has the optimizer's states
        ids = torch.zeros(1, prompt + answer, dtype=torch.long, device="cuda")
        logits = model(ids)[:, prompt:].flatten(0, 1)
        nn.functional.cross_entropy(logits, ids[:, prompt:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()


if __name__ == "__main__":
    with ballast_probe.step(device="cuda", gpu="h100") as recording:
        train(prompt=1024, answer=256)
    recording.write(sys.argv[1])
