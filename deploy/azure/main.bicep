// One VM for the master and `workers` VMs that generate load, beside a Web PubSub resource of the same resource group.
//
//     az deployment group create --resource-group GROUP --template-file deploy/azure/main.bicep \
//       --parameters webPubSubName=NAME workers=4 adminPublicKey=@$HOME/.ssh/id_ed25519.pub allowSshFrom=203.0.113.7/32
//     ssh azureuser@MASTER_ADDRESS
//     /opt/wps-load/bin/wps-load run big-group --master --expect-workers WORKER_PROCESSES -u 200000 -r 500 -t 20m \
//       --wps-endpoint https://NAME.webpubsub.azure.com --wps-credential managed-identity
//
// VMs cost as long as they exist: when done, delete everything with the tag purpose=wps-load, or the resource group.
// WORKER_PROCESSES: cores per VM x workers. Each VM has its own public address, so a NAT gateway's 50,000 connections
// per address are no limit here; docs/scale.md lists the limits that remain. The authors have not tried it on Azure.

@description('The name of the Web PubSub resource, in this resource group.')
param webPubSubName string

@description('How many VMs generate load.')
@minValue(1)
@maxValue(100)
param workers int = 2

@description('The size of these VMs: one worker process runs on each of their cores.')
param vmSize string = 'Standard_D8as_v5'

@description('The size of the VM of the master.')
param masterSize string = 'Standard_D2as_v5'

@description('The region: preferably that of the resource.')
param location string = resourceGroup().location

@description('The public SSH key of the user azureuser.')
param adminPublicKey string

@description('Addresses that may use SSH, such as 203.0.113.7/32.')
param allowSshFrom string

@description('What pip installs: a version (wps-load==0.2.0), or the address of a wheel.')
param package string = 'wps-load'

@description('The image: Debian 13 has Python 3.13 and OpenSSL 3.5.')
param image object = {
  publisher: 'Debian'
  offer: 'debian-13'
  sku: '13-gen2'
  version: 'latest'
}

var masterHost = '10.20.0.10'
var count = workers + 1
var tags = { purpose: 'wps-load' }
var serviceOwner = '12cf5a90-567b-43ae-8102-96cf46c7d9b4' // Web PubSub Service Owner
var cloudInit = replace(replace(loadTextContent('cloud-init.yaml'), 'MASTER_HOST', masterHost), 'PACKAGE', package)

resource webPubSub 'Microsoft.SignalRService/webPubSub@2023-02-01' existing = {
  name: webPubSubName
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'wps-load'
  location: location
  tags: tags
}

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(webPubSub.id, identity.id, serviceOwner)
  scope: webPubSub
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', serviceOwner)
  }
}

resource firewall 'Microsoft.Network/networkSecurityGroups@2023-09-01' = {
  name: 'wps-load'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'ssh'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: allowSshFrom
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '22'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2023-09-01' = {
  name: 'wps-load'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.20.0.0/22'] }
    subnets: [
      {
        name: 'generators'
        properties: {
          addressPrefix: '10.20.0.0/22'
          networkSecurityGroup: { id: firewall.id }
        }
      }
    ]
  }
}

resource addresses 'Microsoft.Network/publicIPAddresses@2023-09-01' = [for i in range(0, count): {
  name: 'wps-load-${i}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}]

resource cards 'Microsoft.Network/networkInterfaces@2023-09-01' = [for i in range(0, count): {
  name: 'wps-load-${i}'
  location: location
  tags: tags
  properties: {
    enableAcceleratedNetworking: true
    ipConfigurations: [
      {
        name: 'first'
        properties: {
          subnet: { id: network.properties.subnets[0].id }
          privateIPAllocationMethod: 'Static'
          privateIPAddress: '10.20.0.${10 + i}'
          publicIPAddress: { id: addresses[i].id }
        }
      }
    ]
  }
}]

resource machines 'Microsoft.Compute/virtualMachines@2023-09-01' = [for i in range(0, count): {
  name: 'wps-load-${i}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    hardwareProfile: { vmSize: i == 0 ? masterSize : vmSize }
    osProfile: {
      computerName: 'wps-load-${i}'
      adminUsername: 'azureuser'
      customData: base64(cloudInit)
      linuxConfiguration: {
        disablePasswordAuthentication: true
        ssh: { publicKeys: [{ path: '/home/azureuser/.ssh/authorized_keys', keyData: adminPublicKey }] }
      }
    }
    storageProfile: {
      imageReference: image
      osDisk: { createOption: 'FromImage', managedDisk: { storageAccountType: 'StandardSSD_LRS' } }
    }
    networkProfile: { networkInterfaces: [{ id: cards[i].id }] }
  }
}]

output masterAddress string = addresses[0].properties.ipAddress
output workerAddresses array = [for i in range(0, workers): addresses[i + 1].properties.ipAddress]
