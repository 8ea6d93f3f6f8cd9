# swaplab on a processor, without CUDA: docker build -f docker/cpu.Dockerfile -t swaplab:cpu .
#   docker run --rm -v "$PWD":/work swaplab:cpu train
#
# Every package is checked against its hashes in constraints.txt, but for torch and torchvision: that lock has their CUDA
# builds, and those without CUDA come from PyTorch's own index, in the same versions, without a hash.
FROM python:3.11-slim AS build
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE NOTICE ./
RUN awk '/^[a-z]/ {cuda = /^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/} !cuda' constraints.txt > cpu.txt \
    && awk '/^(torch|torchvision)==/ {print $1 "+cpu"}' constraints.txt > torch.txt \
    && python -m venv /opt/swaplab \
    && /opt/swaplab/bin/pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu -r torch.txt \
    && /opt/swaplab/bin/pip install --no-cache-dir --no-deps --require-hashes -r cpu.txt
COPY src src
COPY conf conf
RUN /opt/swaplab/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/swaplab/bin/pip check

FROM python:3.11-slim
COPY --from=build /opt/swaplab /opt/swaplab
RUN useradd --create-home --uid 1000 swaplab && mkdir /work && chown swaplab /work
ENV PATH=/opt/swaplab/bin:$PATH PYTHONUNBUFFERED=1
USER 1000
WORKDIR /work
ENTRYPOINT ["swaplab"]
CMD ["--help"]
