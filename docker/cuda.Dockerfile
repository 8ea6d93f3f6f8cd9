# swaplab on NVIDIA GPUs: docker build -f docker/cuda.Dockerfile -t swaplab:cuda .
#   docker run --rm --gpus all --shm-size 8g -v "$PWD":/work swaplab:cuda train trainer=ddp
#
# CUDA, cuDNN and NCCL are Python packages of the lock. The host brings the driver and the NVIDIA Container Toolkit.
FROM python:3.11-slim AS build
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE NOTICE ./
RUN python -m venv /opt/swaplab \
    && /opt/swaplab/bin/pip install --no-cache-dir --no-deps --require-hashes -r constraints.txt
COPY src src
COPY conf conf
RUN /opt/swaplab/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/swaplab/bin/pip check

FROM python:3.11-slim
COPY --from=build /opt/swaplab /opt/swaplab
RUN useradd --create-home --uid 1000 swaplab && mkdir /work && chown swaplab /work
ENV PATH=/opt/swaplab/bin:$PATH PYTHONUNBUFFERED=1 NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000
WORKDIR /work
ENTRYPOINT ["swaplab"]
CMD ["--help"]
