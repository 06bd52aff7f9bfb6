# `emma serve` in a container: docker build -t emma-fusion . && docker run --rm --network host emma-fusion
FROM python:3.11-slim
# PyTorch's own index of CPU builds, whose address PyTorch's install page gives: --build-arg TORCH_INDEX=...
ARG TORCH_INDEX=
WORKDIR /emma-fusion
COPY . .
RUN if [ -n "$TORCH_INDEX" ]; then pip install --no-cache-dir -c constraints.txt torch --index-url "$TORCH_INDEX"; fi \
 && pip install --no-cache-dir -c constraints.txt '.[web,video]'
CMD ["emma", "serve"]
